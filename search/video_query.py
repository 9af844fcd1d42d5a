"""Search with a video: frames retrieve, offsets align, pixels confirm; hits are whole videos."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np

from indexer.errors import UsageError
from indexer.types import Int64, Sample
from search.query import Clock, Searcher, allowed_ids
from search.results import Match
from search.verdict import Verdict
from search.video_check import check_times, chosen_times, verdict_of
from search.video_clip import Clip, Indexed, indexed, read_clip
from search.video_match import Segment, match_tracks
from search.video_results import (
    CheckedFrame,
    Part,
    VideoHit,
    VideoMatch,
    VideoQuery,
    VideoSearchResult,
)
from search.video_words import described

NEAREST = 40  # samples retrieved for each frame of the query
CANDIDATES = 50  # videos that are aligned
VERIFIED = 5  # videos whose frames are compared


@dataclass(frozen=True)
class _Found:
    """A video of the corpus, laid against the query."""

    video: Indexed
    segments: tuple[Segment, ...]
    best: tuple[int, int]  # the most alike frames of query and video
    score: float
    value: float  # 0 to 1: how alike, how many frames, how much of the shorter of both
    exact: bool


class VideoSearcher:
    """Answers queries with videos, where a `Searcher` answers those with pictures."""

    def __init__(self, searcher: Searcher) -> None:
        self._searcher = searcher
        self._reader = searcher.reader
        self._space = searcher.space
        self._encoder = searcher.encoder

    def search(
        self,
        path: Path,
        *,
        k: int = 10,
        where: str | None = None,
        min_score: float | None = None,
        verify: bool = True,
    ) -> VideoSearchResult:
        """Return the ``k`` videos and pictures that share most with a video.

        ``score`` of a hit is the mean cosine of the matched frames. Raise MediaError where the
        video cannot be read, UsageError where an option makes no sense.
        """
        if k < 1:
            raise UsageError(f"expected at least one hit to be asked for, got -k {k}")
        _ = self._encoder.device
        clock = Clock()
        clip = read_clip(path, self._encoder)
        clock.lap("embed")
        allowed = allowed_ids(self._reader.catalog, where)
        found = [one for one in self._aligned(clip, k, allowed) if _reaches(one, min_score)]
        clock.lap("retrieve")
        hits = [
            self._hit(
                clip, one, checked=self._checked(clip, one) if verify and at < VERIFIED else ()
            )
            for at, one in enumerate(found[: max(k, VERIFIED)])
        ]
        hits.sort(key=lambda hit: (-hit.confidence, -hit.score, hit.sample.id))
        clock.lap("verify")
        searched, completeness = self._searcher.scope()
        return VideoSearchResult(
            query=VideoQuery(
                path=clip.path,
                sha256=clip.sha256,
                width=clip.width,
                height=clip.height,
                duration_s=clip.track.duration,
                frames=len(clip.track),
            ),
            index=searched,
            completeness=completeness,
            hits=tuple(replace(hit, rank=at) for at, hit in enumerate(hits[:k], start=1)),
            timing_ms=clock.timing(),
        )

    def _aligned(self, clip: Clip, k: int, allowed: Int64 | None) -> list[_Found]:
        """Return the videos nearest to the query's frames, the best aligned first."""
        vectors = clip.track.vectors
        scores, ids = self._space.neighbours(vectors, max(k, NEAREST), allowed=allowed)
        exact = self._reader.catalog.find(clip.sha256)
        if allowed is not None:
            exact = np.intersect1d(exact, allowed).tolist()
        samples = self._reader.catalog.samples([*exact, *np.unique(ids[ids >= 0]).tolist()])
        content = {one.id: one.sha256 for one in samples}
        votes: dict[str, float] = {content[one]: np.inf for one in exact}
        for row, found in zip(scores, ids, strict=True):
            best: dict[str, float] = {}
            for score, one in zip(row.tolist(), found.tolist(), strict=True):
                if one in content:
                    best[content[one]] = max(score, best.get(content[one], -1.0))
            for sha256, score in best.items():
                votes[sha256] = votes.get(sha256, 0.0) + score**4
        nearest = sorted(votes, key=lambda one: (-votes[one], one))[:CANDIDATES]
        videos = indexed(self._reader.catalog, self._space, nearest)
        aligned = [_found(clip, one) for one in videos]
        return sorted(aligned, key=lambda one: (not one.exact, -one.value, -one.score))

    def _checked(self, clip: Clip, found: _Found) -> tuple[CheckedFrame, ...]:
        raw = self._reader.catalog.raw_path(int(found.video.ids[found.best[1]]))
        if raw is None or found.exact or not found.segments:
            return ()
        times = chosen_times(clip.track, found.video.track, found.segments)
        there = Path(os.fsdecode(raw))
        return check_times(Path(clip.path), there, times, sha256=found.video.sha256)

    def _hit(self, clip: Clip, found: _Found, *, checked: tuple[CheckedFrame, ...]) -> VideoHit:
        sample = self._sample(found)
        pixels = verdict_of(checked)
        verdict, confidence = _judged(found, pixels)
        segments = _refined(found.segments, checked)
        return VideoHit(
            rank=1,
            score=found.score,
            confidence=confidence,
            probability=None,
            verdict=verdict,
            sample=sample,
            match=_best_match(checked),
            video=VideoMatch(
                duration_s=found.video.track.duration,
                segments=segments,
                frames_matched=sum(one.frames_matched for one in segments),
                frames_compared=sum(one.frames_compared for one in segments),
                query_share=_share(found.segments, clip.track.duration),
                sample_share=_share(found.segments, found.video.track.duration),
                checked=checked,
                description=described(verdict, sample, segments, checked),
            ),
        )

    def _sample(self, found: _Found) -> Sample:
        return self._reader.catalog.samples([int(found.video.ids[found.best[1]])])[0]


def _found(clip: Clip, video: Indexed) -> _Found:
    segments = match_tracks(clip.track, video.track)
    similar = clip.track.vectors @ video.track.vectors.T
    at = np.unravel_index(int(np.argmax(similar)), similar.shape)
    best = (int(at[0]), int(at[1]))
    exact = video.sha256 == clip.sha256
    if not segments:
        return _Found(video, (), best, float(np.clip(similar.max(), -1, 1)), 0.0, exact)
    matched = sum(one.frames_matched for one in segments)
    compared = sum(one.frames_compared for one in segments)
    score = sum(one.score * one.frames_matched for one in segments) / matched
    shorter = min(clip.track.duration, video.track.duration)
    share = min(1.0, matched / compared) * max(0.1, _share(segments, shorter))
    return _Found(video, segments, best, score, score * share * matched / (matched + 1), exact)


def _reaches(found: _Found, min_score: float | None) -> bool:
    return min_score is None or found.score >= min_score


def _judged(found: _Found, pixels: Verdict | None) -> tuple[Verdict, float]:
    """Return the verdict and the confidence: pixels above alignment, alignment above nearness."""
    if found.exact:
        return Verdict.EXACT, 1.0
    if pixels is not None and pixels is not Verdict.NOT_ASSESSABLE:
        return pixels, 0.5 + 0.499 * found.value
    if not found.segments:
        return Verdict.UNRELATED, 0.1 * float(np.clip(found.score, 0, 1))
    return pixels or Verdict.SIMILAR, 0.1 + 0.4 * found.value


def _refined(segments: Sequence[Segment], checked: Sequence[CheckedFrame]) -> tuple[Part, ...]:
    """Correct each offset by the frames whose pixels were found to fit."""
    parts = []
    for one in segments:
        fields = asdict(one)
        fields.pop("pairs")
        shifts = [
            frame.sample_s - frame.query_s
            for frame in checked
            if frame.match is not None and one.query_from_s <= frame.query_s <= one.query_until_s
        ]
        if shifts:
            offset = float(np.median(shifts))
            fields["offset_s"] = offset
            fields["sample_from_s"] = max(0.0, one.query_from_s + offset)
            fields["sample_until_s"] = one.query_until_s + offset
        parts.append(Part(**fields))
    return tuple(parts)


def _share(segments: Sequence[Segment], duration: float) -> float:
    if duration <= 0:
        return 1.0 if segments else 0.0
    return float(min(1.0, sum(one.seconds for one in segments) / duration))


def _best_match(checked: Sequence[CheckedFrame]) -> Match | None:
    matched = [one for one in checked if one.match is not None]
    best = max(matched, key=lambda one: one.score or 0.0, default=None)
    return None if best is None else best.match
