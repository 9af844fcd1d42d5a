"""Search: a picture in, hits with evidence out."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from PIL import Image

from indexer.decode import decode_image
from indexer.errors import UnavailableError, UsageError
from indexer.files import Limits, read_file
from indexer.originals import Originals
from indexer.preprocess import needed, prepare
from indexer.store.reader import IndexReader
from indexer.store.space import Space
from indexer.types import Encoder, Float32, Int64, Kind, Sample, unit
from indexer.video import DEFAULT_FRAMES
from search.candidates import Candidate, candidates
from search.compare import Comparison
from search.evidence import Verifier
from search.judgement import Found, Judge
from search.restriction import allowed_ids
from search.results import Completeness, Query, Searched, SearchResult, Timing

VERIFIED = 30  # samples at most whose pixels are compared


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
        self.reader = reader
        self.space = space
        self.encoder = encoder
        self._judge = Judge(reader.catalog, space)

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
        threshold = self._judge.threshold(min_score, max_fpr)
        _ = self.encoder.device  # a deferred encoder is loaded now, and not on the clock
        clock = Clock()
        picture = self.read(path)
        clock.lap("embed")
        allowed = allowed_ids(self.reader.catalog, where)
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
            hits=tuple(self._judge.ranked(picture.sha256, candidates, compared)[:k]),
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
        threshold = self._judge.threshold(min_score, max_fpr)
        clock = Clock()
        clock.lap("embed")
        stored = self.space.embeddings(set(ids))
        allowed = allowed_ids(self.reader.catalog, where)
        scores, found = self.space.neighbours(
            stored.vectors, self._looked_at(max(k, VERIFIED)), allowed=allowed
        )
        wanted = np.union1d(found[found >= 0], stored.ids).tolist()
        samples = {one.id: one for one in self.reader.catalog.samples(wanted)}
        clock.lap("retrieve")
        clock.lap("verify")
        common = (self._searched(), self._completeness(), clock.timing())
        answers = {}
        for row, own in enumerate(stored.ids.tolist()):
            near = [
                Candidate(one, score, 0.0, False)
                for one, score in zip(found[row].tolist(), scores[row].tolist(), strict=True)
                if one in samples and score >= threshold
            ]
            candidates = [
                Found(samples[one.id], one.score, _same_content(samples[own], samples[one.id]))
                for one in _best_frames(near, samples)
            ]
            answers[own] = SearchResult(
                query=_query_of(samples[own]),
                index=common[0],
                completeness=common[1],
                hits=tuple(self._judge.ranked(samples[own].sha256, candidates, {})[:k]),
                timing_ms=common[2],
            )
        return [answers.get(int(one)) for one in ids]

    def warm(self) -> None:
        """Load the encoder and the vectors, which the first search would otherwise wait for."""
        _ = self.encoder.device, self._judge.similar_from

    def read(self, path: Path) -> Picture:
        """Decode and embed a query; raise MediaError where it cannot be read."""
        limits = Limits()
        data = read_file(path, limits=limits)
        preset = self.encoder.spec.preset
        # As the index was made: at a reduced scale a picture's vector is a slightly other one.
        decoded = decode_image(data, limits=limits, at_least=needed(preset))
        features = self.encoder.encode(prepare(decoded.image, preset)[None])
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
    ) -> list[Found]:
        """Return the exact copies, then the most promising samples that reach the threshold."""
        promising = candidates(
            picture.image,
            picture.vector,
            self.space,
            self.encoder,
            count=self._looked_at(count),
            allowed=allowed,
            thorough=thorough,
        )
        exact = self._exact(picture, allowed)
        found = [Candidate(one, score, 0.0, False) for one, score in exact.items()]
        found += [one for one in promising if one.id not in exact]
        found = [one for one in found if one.score >= threshold]
        samples = {one.id: one for one in self.reader.catalog.samples([one.id for one in found])}
        return [
            Found(samples[one.id], one.score, one.id in exact, one.votes, one.promising)
            for one in _best_frames(found, samples)[: count + len(exact)]
        ]

    def _looked_at(self, count: int) -> int:
        """Return how many samples hold as many contents: a video has many frames, and is one."""
        return count * DEFAULT_FRAMES if self._has_frames else count

    @cached_property
    def _has_frames(self) -> bool:
        return self.reader.catalog.sample_counts()[Kind.FRAME] > 0

    def _compared(self, picture: Picture, candidates: Sequence[Found]) -> dict[int, Comparison]:
        """Compare the pixels of the candidates that are not the same file anyway."""
        verifier = Verifier(Originals(self.reader.catalog), picture.data)
        looked_at = [one.sample for one in candidates if one.promising][:VERIFIED]

        def compared(sample: Sample) -> Comparison | None:
            try:
                return verifier.compare(sample)
            except UnavailableError:
                return None

        with ThreadPoolExecutor(os.cpu_count() or 1, "verify") as threads:
            found = list(threads.map(compared, looked_at))
        pairs = zip(looked_at, found, strict=True)
        return {sample.id: compared for sample, compared in pairs if compared is not None}

    def _exact(self, picture: Picture, allowed: Int64 | None) -> dict[int, float]:
        """Return the scores of samples with the query's very bytes."""
        ids = self.reader.catalog.find(picture.sha256)
        if allowed is not None:
            ids = [one for one in ids if one in set(allowed.tolist())]
        stored = self.space.embeddings(ids)
        scores = stored.vectors @ picture.vector
        return dict(zip(stored.ids.tolist(), scores.tolist(), strict=True))

    def scope(self) -> tuple[Searched, Completeness]:
        """Return what is searched, and how much of the corpus stands behind an answer."""
        return self._searched(), self._completeness()

    def _searched(self) -> Searched:
        return Searched(
            path=str(self.reader.folder.path),
            generation=self.reader.catalog.generation,
            space=self.space.row.name,
            fingerprint=self.space.row.fingerprint,
        )

    def _completeness(self) -> Completeness:
        counts = self.reader.catalog.media_counts()
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
