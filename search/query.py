"""Search: a picture in, hits with evidence out."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
from PIL import Image

from indexer.decode import Limits, decode_image, read_file
from indexer.errors import FilterError, IndexDamagedError, StoreError, UsageError
from indexer.preprocess import needed, prepare
from indexer.store.catalog import Catalog
from indexer.store.decisions import Decision, Decisions
from indexer.store.probe_scores import attach_scores
from indexer.store.reader import IndexReader
from indexer.store.space import Space
from indexer.types import Encoder, Float32, Int64, Kind, Sample, unit
from indexer.video import DEFAULT_FRAMES
from search.calibration import NullScores, null_scores
from search.candidates import Candidate, candidates
from search.compare import Comparison
from search.evidence import Verifier
from search.filters import parse_filter
from search.results import Completeness, Hit, Query, Searched, SearchResult, Timing
from search.verdict import Verdict

VERIFIED = 30  # samples at most whose pixels are compared

# Without verification a hit is called similar when no more than this share of pictures without
# a copy in the corpus has one that scores as high.
SIMILAR_FPR = 0.01
SIMILAR_AT_LEAST = 0.9  # where the corpus is too small to tell
SIMILAR_VOTES = 10.0  # of keypoints: few strangers reach as many

_COPIES = (Verdict.EXACT, Verdict.COPY, Verdict.ALTERED_COPY)


@dataclass(frozen=True, kw_only=True)
class Picture:
    """A query as it was read: its bytes, their SHA-256, its size, its unit vector (D,).

    ``image`` is what was decoded, perhaps at a reduced scale.
    """

    path: str
    sha256: str
    data: bytes
    image: Image.Image
    width: int
    height: int
    vector: Float32


@dataclass(frozen=True)
class _Candidate:
    """A sample that may be what was searched for, as `Candidate` has it, or an exact copy."""

    sample: Sample
    score: float
    exact: bool
    votes: float = 0.0
    promising: bool = False


class Clock:
    """Takes the times of a search's parts."""

    def __init__(self) -> None:
        self._started = self._last = time.perf_counter()
        self._laps: dict[str, float] = {}

    def lap(self, name: str) -> None:
        """Note the milliseconds since the last lap."""
        now = time.perf_counter()
        self._laps[name] = 1000 * (now - self._last)
        self._last = now

    def timing(self) -> Timing:
        """Return all laps and their sum."""
        return Timing(**self._laps, total=1000 * (self._last - self._started))


class Searcher:
    """Answers queries against one space of an index, with the encoder that made it."""

    def __init__(self, reader: IndexReader, space: Space, encoder: Encoder) -> None:
        space.check(encoder.spec)
        self.reader = self._reader = reader
        self.space = self._space = space
        self.encoder = self._encoder = encoder

    def search(
        self,
        path: Path,
        *,
        k: int = 10,
        where: str | None = None,
        min_score: float | None = None,
        max_fpr: float | None = None,
        verify: bool = True,
    ) -> SearchResult:
        """Return the ``k`` nearest samples to a picture: exact copies, verified ones, the rest.

        ``where`` restricts to samples that meet a filter, before the nearest are chosen;
        ``min_score`` and ``max_fpr`` drop hits below a score, or below the score that at most
        that share of pictures without a copy here would reach. ``verify`` compares the pixels of
        the most promising, at most `VERIFIED`. Raise MediaError where the picture cannot be read,
        UsageError where an option makes no sense.
        """
        if k < 1:
            raise UsageError(f"expected at least one hit to be asked for, got -k {k}")
        threshold = self._threshold(min_score, max_fpr)
        _ = self._encoder.device  # a deferred encoder is loaded now, and not on the clock
        clock = Clock()
        picture = self.read(path)
        clock.lap("embed")
        allowed = allowed_ids(self._reader.catalog, where)
        candidates = self._candidates(
            picture, max(k, VERIFIED), allowed, threshold, thorough=verify
        )
        clock.lap("retrieve")
        compared = self._compared(picture, candidates) if verify else {}
        clock.lap("verify")
        return SearchResult(
            query=Query(
                path=picture.path,
                sha256=picture.sha256,
                width=picture.width,
                height=picture.height,
            ),
            index=self._searched(),
            completeness=self._completeness(),
            hits=tuple(self._ranked(picture.sha256, candidates, compared)[:k]),
            timing_ms=clock.timing(),
        )

    def search_samples(
        self,
        ids: Sequence[int],
        *,
        k: int = 10,
        where: str | None = None,
        min_score: float | None = None,
        max_fpr: float | None = None,
    ) -> list[SearchResult | None]:
        """Return the unverified answer for each of several samples, from their stored vectors.

        None stands for an id that is not live in this space. One pass answers them all.
        """
        if k < 1:
            raise UsageError(f"expected at least one hit to be asked for, got -k {k}")
        threshold = self._threshold(min_score, max_fpr)
        clock = Clock()
        clock.lap("embed")
        stored = self._space.embeddings(set(ids))
        allowed = allowed_ids(self._reader.catalog, where)
        scores, found = self._space.neighbours(stored.vectors, k, allowed=allowed)
        wanted = np.union1d(found[found >= 0], stored.ids).tolist()
        samples = {one.id: one for one in self._reader.catalog.samples(wanted)}
        clock.lap("retrieve")
        clock.lap("verify")
        common = (self._searched(), self._completeness(), clock.timing())
        answers = {}
        for row, own in enumerate(stored.ids.tolist()):
            candidates = [
                _Candidate(samples[one], score, _same_content(samples[own], samples[one]))
                for one, score in zip(found[row].tolist(), scores[row].tolist(), strict=True)
                if one in samples and score >= threshold
            ]
            answers[own] = SearchResult(
                query=_query_of(samples[own]),
                index=common[0],
                completeness=common[1],
                hits=tuple(self._ranked(samples[own].sha256, candidates, {})),
                timing_ms=common[2],
            )
        return [answers.get(int(one)) for one in ids]

    def warm(self) -> None:
        """Load the encoder and the vectors, which the first search would otherwise wait for."""
        _ = self._encoder.device, self._similar_from

    def read(self, path: Path) -> Picture:
        """Decode and embed a query; raise MediaError where it cannot be read."""
        limits = Limits()
        data = read_file(path, limits=limits)
        preset = self._encoder.spec.preset
        # As the index was made: at a reduced scale a picture's vector is a slightly other one.
        decoded = decode_image(data, limits=limits, at_least=needed(preset))
        features = self._encoder.encode(prepare(decoded.image, preset)[None])
        return Picture(
            path=str(path),
            sha256=hashlib.sha256(data).hexdigest(),
            data=data,
            image=decoded.image,
            width=decoded.width,
            height=decoded.height,
            vector=unit(features.cls)[0],
        )

    def _candidates(
        self,
        picture: Picture,
        count: int,
        allowed: Int64 | None,
        threshold: float,
        *,
        thorough: bool,
    ) -> list[_Candidate]:
        """Return the exact copies, then the most promising samples that reach the threshold."""
        promising = candidates(
            picture.image,
            picture.vector,
            self._space,
            self._encoder,
            count=count * DEFAULT_FRAMES if self._has_frames else count,
            allowed=allowed,
            thorough=thorough,
        )
        exact = self._exact(picture, allowed)
        found = [Candidate(one, score, 0.0, False) for one, score in exact.items()]
        found += [one for one in promising if one.id not in exact]
        found = [one for one in found if one.score >= threshold]
        samples = {one.id: one for one in self._reader.catalog.samples([one.id for one in found])}
        return [
            _Candidate(samples[one.id], one.score, one.id in exact, one.votes, one.promising)
            for one in _best_frames(found, samples)[: count + len(exact)]
        ]

    @cached_property
    def _has_frames(self) -> bool:
        return self._reader.catalog.sample_counts()[Kind.FRAME] > 0

    def _compared(
        self, picture: Picture, candidates: Sequence[_Candidate]
    ) -> dict[int, Comparison]:
        """Compare the pixels of the candidates that are not the same file anyway."""
        verifier = Verifier(self._reader.catalog, picture.data)
        looked_at = [one.sample for one in candidates if one.promising][:VERIFIED]
        with ThreadPoolExecutor(os.cpu_count() or 1, "verify") as threads:
            found = list(threads.map(verifier.compare, looked_at))
        pairs = zip(looked_at, found, strict=True)
        return {sample.id: compared for sample, compared in pairs if compared is not None}

    def _ranked(
        self, sha256: str, candidates: Sequence[_Candidate], compared: dict[int, Comparison]
    ) -> list[Hit]:
        hits = [self._hit(sha256, one, compared.get(one.sample.id)) for one in candidates]
        hits.sort(key=lambda hit: (-hit.confidence, -hit.score, hit.sample.id))
        return [replace(hit, rank=rank) for rank, hit in enumerate(hits, start=1)]

    def _hit(self, sha256: str, candidate: _Candidate, compared: Comparison | None) -> Hit:
        score = float(np.clip(candidate.score, -1, 1))
        verdict, confidence = self._unverified(score, candidate.votes)
        match = None
        decided = self._decisions.about(sha256, candidate.sample.sha256)
        if candidate.exact:
            verdict, confidence = Verdict.EXACT, 1.0
        elif compared is not None and compared.verdict in _COPIES:
            # A verified copy stands above whatever was only near.
            verdict, match = compared.verdict, compared.match
            confidence = 0.5 + 0.499 * float(compared.score or 0.0)
        elif compared is not None and compared.verdict is Verdict.NOT_ASSESSABLE:
            verdict = Verdict.NOT_ASSESSABLE
        if decided is Decision.DIFFERENT:
            verdict, confidence = Verdict.UNRELATED, 0.0
        elif decided is Decision.SAME and verdict not in _COPIES:
            verdict, confidence = Verdict.COPY, 1.0
        return Hit(
            rank=1,
            score=score,
            confidence=confidence,
            probability=None,
            verdict=verdict,
            sample=candidate.sample,
            match=match,
            decision=None if decided is None else decided.value,
        )

    def _unverified(self, score: float, votes: float) -> tuple[Verdict, float]:
        """Return what the candidate stage alone can say: a confidence from 0 to 0.5.

        Half of it is the share of strangers that the score is above, half the keypoints' votes.
        """
        similar = score >= self._similar_from or votes >= SIMILAR_VOTES
        maxima = self._null.maxima
        if len(maxima):
            above = float(np.searchsorted(maxima, score, side="left") / (len(maxima) + 1))
        else:
            above = float(np.clip(score, 0, 0.99))
        shared = votes / (votes + SIMILAR_VOTES)
        return Verdict.SIMILAR if similar else Verdict.UNRELATED, 0.25 * (above + shared)

    def _exact(self, picture: Picture, allowed: Int64 | None) -> dict[int, float]:
        """Return the scores of samples with the query's very bytes."""
        ids = self._reader.catalog.find(picture.sha256)
        if allowed is not None:
            ids = [one for one in ids if one in set(allowed.tolist())]
        stored = self._space.embeddings(ids)
        scores = stored.vectors @ picture.vector
        return dict(zip(stored.ids.tolist(), scores.tolist(), strict=True))

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
    def _decisions(self) -> Decisions:
        return Decisions(self._reader.catalog)

    @cached_property
    def _null(self) -> NullScores:
        return null_scores(self._space)

    @cached_property
    def _similar_from(self) -> float:
        bound = self._null.threshold(SIMILAR_FPR)
        return SIMILAR_AT_LEAST if bound is None else bound

    def scope(self) -> tuple[Searched, Completeness]:
        """Return what is searched, and how much of the corpus stands behind an answer."""
        return self._searched(), self._completeness()

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


def _best_frames(found: Sequence[Candidate], samples: dict[int, Sample]) -> list[Candidate]:
    """Return the candidates with only the first frame of each video."""
    kept: dict[object, Candidate] = {}
    for one in found:
        sample = samples[one.id]
        kept.setdefault(sample.sha256 if sample.kind is Kind.FRAME else one.id, one)
    return list(kept.values())


def _same_content(query: Sample, other: Sample) -> bool:
    """Tell whether a sample is the query itself, or another picture of the very same bytes."""
    if query.kind is not Kind.IMAGE:
        return query.id == other.id
    return query.sha256 == other.sha256 and other.kind is Kind.IMAGE


def _query_of(sample: Sample) -> Query:
    return Query(path=sample.path, sha256=sample.sha256, width=sample.width, height=sample.height)


def allowed_ids(catalog: Catalog, where: str | None) -> Int64 | None:
    """Return the ids (n,) that meet a filter, None for all of them; raise FilterError."""
    if where is None:
        return None
    parsed = parse_filter(where)
    for name in parsed.probes:
        attach_scores(catalog, name)
    try:
        return catalog.filter(parsed.condition, parsed.parameters)
    except IndexDamagedError:
        raise
    except StoreError as error:
        raise FilterError(f"the filter {where!r} does not fit the columns: {error}") from error
