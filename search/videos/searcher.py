"""Search with a video: frames retrieve, offsets align, pixels confirm; hits are whole videos."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np

from indexer.errors import MediaError, UnavailableError, UsageError
from indexer.originals import Originals
from indexer.store.reader import IndexReader
from indexer.store.vectors.space import Space
from indexer.types import Encoder, Int64, Reason, Sample
from search.options import SearchOptions
from search.results import without_files
from search.scope import allowed_ids, completeness, searched
from search.timing import Clock
from search.videos.clips import Clip, ClipReader, Indexed, indexed
from search.videos.compare import Aligned, align_tracks, best_match, finding
from search.videos.frames import Frames
from search.videos.results import VideoHit, VideoQuery, VideoSearchResult
from search.videos.votes import content_votes

NEAREST = 40  # samples retrieved for each frame of the query
CANDIDATES = 50  # videos that are aligned
VERIFIED = 5  # videos whose frames are compared


@dataclass(frozen=True)
class _Found:
    """A video of the corpus, aligned with the query."""

    video: Indexed
    aligned: Aligned

    @property
    def sample(self) -> int:
        """The id of the frame most like the query."""
        return int(self.video.ids[self.aligned.best[1]])


class VideoSearcher:
    """Answers queries with clips, where a `PictureSearcher` answers those with pictures."""

    def __init__(self, reader: IndexReader, space: Space, encoder: Encoder) -> None:
        self._reader = reader
        self._space = space
        self._encoder = encoder
        self._originals = Originals(reader.catalog)

    def search(
        self,
        query: Path | Sample,
        options: SearchOptions,
        *,
        reader: ClipReader | None = None,
    ) -> VideoSearchResult:
        """Return the videos and pictures that share most with a video.

        A sample is searched for by its whole video; where that is not there any more as it was, by
        its stored vectors, and no frames are compared.

        ``score`` of a hit is the mean cosine of the matched frames. A ``reader`` that is given
        reads the video, within its limits and until it is halted. Raise MediaError where the
        video cannot be read, UsageError where an option makes no sense.
        """
        if options.max_fpr is not None:
            raise UsageError("expected min_score with a video, got max_fpr; a rate is of pictures")
        if reader is None:
            with ClipReader(self._encoder) as reader:
                return self.search(query, options, reader=reader)
        k = options.k
        _ = self._encoder.device
        clock = Clock()
        clip, available = self._read(query, reader)
        clock.lap("embed")
        allowed = allowed_ids(self._reader.catalog, options.where)
        found = [one for one in self._aligned(clip, k, allowed) if _reaches(one, options.min_score)]
        clock.lap("retrieve")
        frames = reader.frames(clip)
        looked_at = VERIFIED if options.verify and available else 0
        hits = [
            self._hit(one, frames if place < looked_at else None)
            for place, one in enumerate(found[: max(k, VERIFIED)])
        ]
        hits.sort(key=lambda hit: (-hit.confidence, -hit.score, hit.sample.id))
        shown = [replace(hit, rank=at) for at, hit in enumerate(hits[:k], start=1)]
        absent = self._originals.absent([hit.sample for hit in shown if hit.sample.available])
        lost = {hit.sample.id for hit in hits if not hit.sample.available} | absent.keys()
        clock.lap("verify")
        return VideoSearchResult(
            query=VideoQuery(
                path=clip.path,
                sha256=clip.sha256,
                width=clip.width,
                height=clip.height,
                available=available,
                duration_s=clip.track.duration,
                frames=len(clip.track),
            ),
            index=searched(self._reader, self._space),
            completeness=completeness(self._reader),
            hits=without_files(shown, absent),
            unavailable=len(lost),
            timing_ms=clock.timing(),
        )

    def _read(self, query: Path | Sample, reader: ClipReader) -> tuple[Clip, bool]:
        """Return a query's clip, and whether it is of its file; raise what reading that does."""
        if isinstance(query, Path):
            return reader.read(query), True
        stored = next(indexed(self._reader.catalog, self._space, [query.sha256]), None)
        try:
            clip = reader.read(self._originals.path(query))
            if clip.sha256 == query.sha256:
                return clip, True
        except UnavailableError:
            if stored is None:
                raise
        if stored is None:
            raise MediaError(Reason.UNREADABLE, f"{query.path} changed while it was read")
        return Clip(query.path, query.sha256, query.width, query.height, stored.track), False

    def _aligned(self, clip: Clip, k: int, allowed: Int64 | None) -> list[_Found]:
        """Return the videos nearest to the query's frames, the best aligned first."""
        told = clip.track.assessable
        vectors = clip.track.vectors[told if told.any() else slice(None)]
        scores, ids = self._space.neighbours(vectors, max(k, NEAREST), allowed=allowed)
        exact = self._reader.catalog.find(clip.sha256)
        if allowed is not None:
            exact = np.intersect1d(exact, allowed).tolist()
        samples = self._reader.catalog.samples([*exact, *np.unique(ids[ids >= 0]).tolist()])
        content = {one.id: one.sha256 for one in samples}
        votes = content_votes(scores, ids, content) | {content[one]: np.inf for one in exact}
        nearest = sorted(votes, key=lambda one: (-votes[one], one))[:CANDIDATES]
        videos = indexed(self._reader.catalog, self._space, nearest)
        aligned = [_found(clip, one) for one in videos]
        return sorted(
            aligned,
            key=lambda one: (not one.aligned.exact, -one.aligned.value, -one.aligned.score),
        )

    def _hit(self, found: _Found, frames: Frames | None) -> VideoHit:
        """Return what is said of a video, by pixels where the query's ``frames`` are given."""
        sample = self._reader.catalog.samples([found.sample])[0]
        names = ("the query", Path(sample.path).name)
        both = None if frames is None else (frames, partial(self._originals.frames, sample))
        try:
            said = finding(found.aligned, both, names=names)
        except UnavailableError as error:
            said = finding(found.aligned, names=names)
            sample = sample.without_file(error.why)
        return VideoHit(
            rank=1,
            score=found.aligned.score,
            confidence=said.confidence,
            probability=None,
            verdict=said.verdict,
            sample=sample,
            match=best_match(said.video.checked),
            share_query=said.video.share_query,
            share_sample=said.video.share_sample,
            video=said.video,
        )


def _found(clip: Clip, video: Indexed) -> _Found:
    exact = video.sha256 == clip.sha256
    return _Found(video, align_tracks(clip.track, video.track, exact=exact))


def _reaches(found: _Found, min_score: float | None) -> bool:
    return min_score is None or found.aligned.score >= min_score
