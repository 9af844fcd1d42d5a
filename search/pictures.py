"""Search with a picture, or with what a sample shows; hits are samples, with evidence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from types import MappingProxyType

import numpy as np

from indexer.errors import UnavailableError
from indexer.media.image import DecodedImage
from indexer.media.videos.frames import DEFAULT_FRAMES
from indexer.originals import Originals
from indexer.store.reader import IndexReader
from indexer.store.vectors.space import Space
from indexer.structure import ASSESSABLE, structure
from indexer.types import Absence, Encoder, Int64, Kind, Sample
from search.candidates import Candidate, candidates
from search.evidence import Evidence, ExaminedResult, examine
from search.options import SearchOptions
from search.query import Picture, is_same_content, read_picture, sampled_picture
from search.ranking import Found, HitRanking
from search.results import Hit, PictureResult, Query, without_files
from search.scope import allowed_ids, completeness, searched
from search.timing import Clock

VERIFIED = 30  # samples at most whose pixels are compared


class PictureSearcher:
    """Answers queries with pictures, where a `VideoSearcher` answers those with clips."""

    def __init__(self, reader: IndexReader, space: Space, encoder: Encoder) -> None:
        self._reader = reader
        self._space = space
        self._encoder = encoder
        self._ranking = HitRanking(reader.catalog, space)
        self._originals = Originals(reader.catalog)

    def search(self, query: Path | Sample, options: SearchOptions) -> ExaminedResult:
        """Return the nearest samples to a picture: exact copies, verified ones, the rest.

        A sample is searched for by what it shows: a picture, a page. Where its file is not there
        any more as it was, or nothing is to be verified anyway, by its stored vector.

        The pixels of `VERIFIED` samples at most are compared. Raise MediaError where the picture
        cannot be read, UnavailableError where a sample's file cannot and no vector is stored,
        UsageError where an option makes no sense.
        """
        threshold = self._ranking.threshold(options.min_score, options.max_fpr)
        _ = self._encoder.device  # a deferred encoder is loaded now, and not on the clock
        allowed = allowed_ids(self._reader.catalog, options.where)
        if isinstance(query, Sample) and not options.verify:
            stored = self._by_vectors([query.id], options.k, allowed, threshold).get(query.id)
            if stored is not None:
                return stored
        try:
            return self._answer(query, options, allowed, threshold)
        except UnavailableError as error:
            assert isinstance(query, Sample)  # other queries have no sample's file to be opened
            known = {query.id: error.why}
            answers = self._by_vectors([query.id], options.k, allowed, threshold, known)
            found = answers.get(query.id)
            if found is None:
                raise
            return found

    def search_samples(
        self, ids: Sequence[int], options: SearchOptions
    ) -> list[PictureResult | None]:
        """Return the unverified answer for each of several samples, from their stored vectors.

        None stands for an id that is not live in this space. One pass answers them all.
        """
        threshold = self._ranking.threshold(options.min_score, options.max_fpr)
        allowed = allowed_ids(self._reader.catalog, options.where)
        answers = self._by_vectors(ids, options.k, allowed, threshold)
        return [answers.get(int(one)) for one in ids]

    def _answer(
        self,
        query: Path | Sample,
        options: SearchOptions,
        allowed: Int64 | None,
        threshold: float,
    ) -> ExaminedResult:
        k, verify = options.k, options.verify
        clock = Clock()
        picture = self._pictured(query)
        clock.lap("embed")
        count = max(k, VERIFIED)
        found = self._candidates(picture, count, allowed, threshold, thorough=verify)
        clock.lap("retrieve")
        promising = [one.sample for one in found if one.promising][:VERIFIED] if verify else []
        examined = examine(self._originals, picture.scales, promising)
        blank = structure(picture.image) < ASSESSABLE
        hits = self._ranking.ranked(picture.sha256, found, examined.comparisons, blank=blank)[:k]
        others = [hit.sample for hit in hits if hit.sample.id not in examined.comparisons]
        absent = examined.absent | self._originals.absent(others)
        clock.lap("verify")
        shown = {hit.sample.id for hit in hits if hit.match is not None}
        return self._told(
            Query(
                path=picture.path,
                sha256=picture.sha256,
                page=picture.decoded.page,
                width=picture.decoded.width,
                height=picture.decoded.height,
            ),
            hits,
            absent,
            clock,
            picture=picture.decoded,
            evidence={one: found for one, found in examined.evidence.items() if one in shown},
        )

    def _by_vectors(
        self,
        ids: Sequence[int],
        k: int,
        allowed: Int64 | None,
        threshold: float,
        known: Mapping[int, Absence] = MappingProxyType({}),
    ) -> dict[int, ExaminedResult]:
        """Answer for several samples by their stored vectors alone.

        ``known`` files could not be opened, whatever their size and time say.
        """
        clock = Clock()
        clock.lap("embed")
        stored = self._space.embeddings(set(ids))
        scores, found = self._space.neighbours(
            stored.vectors, self._looked_at(max(k, VERIFIED)), allowed=allowed
        )
        wanted = np.union1d(found[found >= 0], stored.ids).tolist()
        samples = {one.id: one for one in self._reader.catalog.samples(wanted)}
        blank = self._reader.catalog.blank(stored.ids.tolist(), below=ASSESSABLE)
        ranked: dict[int, list[Hit]] = {}
        for row, own in enumerate(stored.ids.tolist()):
            near = [
                Candidate(one, score, 0.0, False)
                for one, score in zip(found[row].tolist(), scores[row].tolist(), strict=True)
                if one in samples and score >= threshold
            ]
            candidates = [
                Found(samples[one.id], one.score, is_same_content(samples[own], samples[one.id]))
                for one in _best_frames(near, samples)
            ]
            ranked[own] = self._ranking.ranked(
                samples[own].sha256, candidates, {}, blank=own in blank
            )[:k]
        clock.lap("retrieve")
        shown = {hit.sample.id for hits in ranked.values() for hit in hits} | ranked.keys()
        absent = {**self._originals.absent([samples[one] for one in sorted(shown)]), **known}
        clock.lap("verify")
        return {
            own: self._told(_query_of(samples[own], absent), hits, _of(hits, absent), clock)
            for own, hits in ranked.items()
        }

    def _told(
        self,
        query: Query,
        hits: Sequence[Hit],
        absent: Mapping[int, Absence],
        clock: Clock,
        *,
        picture: DecodedImage | None = None,
        evidence: Mapping[int, Evidence] = MappingProxyType({}),
    ) -> ExaminedResult:
        return ExaminedResult(
            query=query,
            index=searched(self._reader, self._space),
            completeness=completeness(self._reader),
            hits=without_files(hits, absent),
            unavailable=len(absent),
            timing_ms=clock.timing(),
            picture=picture,
            evidence=evidence,
        )

    def _pictured(self, query: Path | Sample) -> Picture:
        if isinstance(query, Sample):
            return sampled_picture(self._originals, query, self._encoder)
        return read_picture(query, self._encoder)

    def warm(self) -> None:
        """Load what the first search would otherwise wait for."""
        _ = self._encoder.device, self._ranking.similar_from, self._space.keypoints

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
        exact = self._exact(picture, allowed)
        promising = candidates(
            picture.image,
            picture.vector,
            self._space,
            self._encoder,
            count=self._looked_at(count),
            allowed=allowed,
            besides=exact,
            thorough=thorough,
        )
        found = [Candidate(one, score, 0.0, False) for one, score in exact.items()]
        found += [one for one in promising if one.id not in exact]
        found = [one for one in found if one.score >= threshold]
        samples = {one.id: one for one in self._reader.catalog.samples([one.id for one in found])}
        return [
            Found(samples[one.id], one.score, one.id in exact, one.votes, one.promising)
            for one in _best_frames(found, samples)[: count + len(exact)]
        ]

    def _looked_at(self, count: int) -> int:
        """Return how many samples hold as many contents: a video has many frames, and is one."""
        return count * DEFAULT_FRAMES if self._has_frames else count

    @cached_property
    def _has_frames(self) -> bool:
        return self._reader.catalog.sample_counts()[Kind.FRAME] > 0

    def _exact(self, picture: Picture, allowed: Int64 | None) -> dict[int, float]:
        """Return the scores of samples with the query's very bytes."""
        ids = self._reader.catalog.find(picture.sha256)
        if allowed is not None:
            ids = np.intersect1d(ids, allowed).tolist()
        ids = [one.id for one in self._reader.catalog.samples(ids) if picture.is_of(one)]
        stored = self._space.embeddings(ids)
        scores = stored.vectors @ picture.vector
        return dict(zip(stored.ids.tolist(), scores.tolist(), strict=True))


def _best_frames(found: Sequence[Candidate], samples: dict[int, Sample]) -> list[Candidate]:
    """Return the candidates with only the first frame of each video."""
    kept: dict[object, Candidate] = {}
    for one in found:
        sample = samples[one.id]
        kept.setdefault(sample.sha256 if sample.kind is Kind.FRAME else one.id, one)
    return list(kept.values())


def _of(hits: Sequence[Hit], absent: Mapping[int, Absence]) -> dict[int, Absence]:
    return {hit.sample.id: absent[hit.sample.id] for hit in hits if hit.sample.id in absent}


def _query_of(sample: Sample, absent: Mapping[int, Absence]) -> Query:
    return Query(
        path=sample.path,
        sha256=sample.sha256,
        page=sample.page,
        width=sample.width,
        height=sample.height,
        available=sample.id not in absent,
    )
