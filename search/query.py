"""Search: a picture in, hits with evidence out."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from indexer.decode import DecodedImage, Limits, decode_image, read_file
from indexer.preprocess import prepare

from indexer.errors import FilterError, IndexDamagedError, StoreError, UsageError
from indexer.store.catalog import Catalog
from indexer.store.reader import IndexReader
from indexer.store.space import Space
from indexer.types import Encoder, Float32, Int64, unit
from search.calibration import NullScores, null_scores
from search.filters import parse_filter
from search.results import Completeness, Hit, Query, Searched, SearchResult, Timing
from search.verdict import Verdict

# Without verification a hit is called similar when no more than this share of pictures without
# a copy in the corpus has one that scores as high.
SIMILAR_FPR = 0.01
SIMILAR_AT_LEAST = 0.9  # where the corpus is too small to tell


@dataclass(frozen=True)
class Picture:
    """A query as it was read: its bytes' SHA-256, its decoded picture, its unit vector (D,)."""

    path: str
    sha256: str
    decoded: DecodedImage
    vector: Float32


class Searcher:
    """Answers queries against one space of an index, with the encoder that made it."""

    def __init__(self, reader: IndexReader, space: Space, encoder: Encoder) -> None:
        space.check(encoder.spec)
        self._reader = reader
        self._space = space
        self._encoder = encoder

    def search(
        self,
        path: Path,
        *,
        k: int = 10,
        where: str | None = None,
        min_score: float | None = None,
        max_fpr: float | None = None,
    ) -> SearchResult:
        """Return the ``k`` nearest samples to a picture, exact copies first.

        ``where`` restricts to samples that meet a filter, before the nearest are chosen;
        ``min_score`` and ``max_fpr`` drop hits below a score, or below the score that at most
        that share of pictures without a copy here would reach. Raise MediaError where the
        picture cannot be read, UsageError where an option makes no sense.
        """
        threshold = self._threshold(min_score, max_fpr)
        started = time.perf_counter()
        picture = self.read(path)
        embedded = time.perf_counter()
        hits = self._hits(picture, k, allowed_ids(self._reader.catalog, where), threshold)
        ended = time.perf_counter()
        return SearchResult(
            query=Query(
                path=picture.path,
                sha256=picture.sha256,
                width=picture.decoded.width,
                height=picture.decoded.height,
            ),
            index=self._searched(),
            completeness=self._completeness(),
            hits=hits,
            timing_ms=Timing(
                embed=1000 * (embedded - started),
                retrieve=1000 * (ended - embedded),
                verify=0.0,
                total=1000 * (ended - started),
            ),
        )

    def read(self, path: Path) -> Picture:
        """Decode and embed a query; raise MediaError where it cannot be read."""
        limits = Limits()
        data = read_file(path, limits=limits)
        preset = self._encoder.spec.preset
        decoded = decode_image(data, limits=limits)
        features = self._encoder.encode(prepare(decoded.image, preset)[None])
        return Picture(
            path=str(path),
            sha256=hashlib.sha256(data).hexdigest(),
            decoded=decoded,
            vector=unit(features.cls)[0],
        )

    def _hits(
        self, picture: Picture, k: int, allowed: Int64 | None, threshold: float
    ) -> tuple[Hit, ...]:
        if k < 1:
            raise UsageError(f"expected at least one hit to be asked for, got -k {k}")
        scores, ids = self._space.neighbours(picture.vector[None], k, allowed=allowed)
        ranked = dict(zip(ids[0].tolist(), scores[0].tolist(), strict=True))
        exact = self._exact(picture, allowed)
        ranked |= exact
        order = sorted(ranked, key=lambda one: (one not in exact, -ranked[one], one))
        kept = [one for one in order[:k] if ranked[one] >= threshold]
        return self._describe(kept, ranked, set(exact))

    def _exact(self, picture: Picture, allowed: Int64 | None) -> dict[int, float]:
        """Return the scores of samples with the query's very bytes."""
        ids = self._reader.catalog.find(picture.sha256)
        if allowed is not None:
            ids = [one for one in ids if one in set(allowed.tolist())]
        stored = self._space.embeddings(ids)
        scores = stored.vectors @ picture.vector
        return dict(zip(stored.ids.tolist(), scores.tolist(), strict=True))

    def _describe(
        self, order: Sequence[int], scores: dict[int, float], exact: set[int]
    ) -> tuple[Hit, ...]:
        samples = {one.id: one for one in self._reader.catalog.samples(order)}
        return tuple(
            Hit(
                rank=rank,
                score=float(np.clip(scores[one], -1, 1)),
                confidence=1.0 if one in exact else self._confidence(scores[one]),
                probability=None,
                verdict=Verdict.EXACT if one in exact else self._verdict(scores[one]),
                sample=samples[one],
            )
            for rank, one in enumerate(order, start=1)
        )

    def _verdict(self, score: float) -> Verdict:
        return Verdict.SIMILAR if score >= self._similar_from else Verdict.UNRELATED

    def _confidence(self, score: float) -> float:
        """Return the share of pictures without a copy here whose best score is lower."""
        maxima = self._null.maxima
        if not len(maxima):
            return max(0.0, min(score, 0.99))
        return float(np.searchsorted(maxima, score, side="left") / (len(maxima) + 1))

    def _threshold(self, min_score: float | None, max_fpr: float | None) -> float:
        floor = -np.inf if min_score is None else min_score
        if max_fpr is None:
            return float(floor)
        if not 0 < max_fpr <= 1:
            raise UsageError(f"expected --max-fpr above 0 and at most 1, got {max_fpr}")
        bound = self._null.threshold(max_fpr)
        if bound is None:
            raise UsageError(
                f"--max-fpr {max_fpr} needs at least {int(np.ceil(1 / max_fpr))} samples to be "
                f"measured against, this space offers {len(self._null.maxima)}; "
                "give a larger rate, or --min-score"
            )
        return float(max(floor, bound))

    @cached_property
    def _null(self) -> NullScores:
        return null_scores(self._space)

    @cached_property
    def _similar_from(self) -> float:
        bound = self._null.threshold(SIMILAR_FPR)
        return SIMILAR_AT_LEAST if bound is None else bound

    def _searched(self) -> Searched:
        return Searched(
            path=str(self._reader.folder.path),
            generation=self._reader.catalog.generation,
            space=self._space.row.name,
            fingerprint=self._space.row.fingerprint,
        )

    def _completeness(self) -> Completeness:
        counts = self._reader.catalog.media_counts()
        return Completeness(seen=counts.seen, indexed=counts.indexed, failed=counts.failed)


def allowed_ids(catalog: Catalog, where: str | None) -> Int64 | None:
    """Return the ids (n,) that meet a filter, None for all of them; raise FilterError."""
    if where is None:
        return None
    parsed = parse_filter(where)
    try:
        return catalog.filter(parsed.condition, parsed.parameters)
    except IndexDamagedError:
        raise
    except StoreError as error:
        raise FilterError(f"the filter {where!r} does not fit the columns: {error}") from error
