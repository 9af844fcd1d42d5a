"""One video compared with another: what they share, how sure that is, what became of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from search.results import Match
from search.verdict import Verdict
from search.videos.alignment import Passage
from search.videos.clips import Clip, ClipReader
from search.videos.description import described
from search.videos.frame_checks import CHECKED, chosen_looks, look, verdict_of
from search.videos.frames import Frames
from search.videos.matching import in_order, match_tracks
from search.videos.results import CheckedFrame, Part, VideoMatch
from search.videos.shares import Stretch, measured, shares
from search.videos.tracks import Track

COMPARED = 8  # pairs of frames that two videos which are given are compared by
ENOUGH = 0.5  # of the video of which more is shared: what shares less is no copy


@dataclass(frozen=True)
class Aligned:
    """A query aligned with a sample.

    ``best`` are the most alike frames of both; ``score`` is the mean cosine of matched frames;
    ``value``, 0 to 1, is how alike, how many frames, and how much of the shorter of both.
    ``curve`` (n,) is the best cosine of each of the query's frames, 0 of those that are blank.
    """

    query: Track
    sample: Track
    segments: tuple[Passage, ...]
    best: tuple[int, int]
    score: float
    value: float
    curve: tuple[float, ...]
    exact: bool

    @property
    def blank(self) -> bool:
        """Whether one of both is known to have nothing but blank frames."""
        return not (self.query.assessable.any() and self.sample.assessable.any())


@dataclass(frozen=True)
class VideoFinding:
    """What is said of two videos: verdict, confidence from 0 to 1, and where they agree."""

    verdict: Verdict
    confidence: float
    video: VideoMatch


def align_tracks(query: Track, sample: Track, *, exact: bool = False) -> Aligned:
    """Find the parts that two videos share."""
    segments = match_tracks(query, sample)
    similar = query.vectors @ sample.vectors.T
    counted = np.where(np.outer(query.assessable, sample.assessable), similar, 0)
    here, there = np.unravel_index(int(np.argmax(counted)), similar.shape)
    score, value = float(np.clip(counted.max(), -1, 1)), 0.0
    if segments:
        matched = sum(one.frames_matched for one in segments)
        compared = sum(one.frames_compared for one in segments)
        score = sum(one.score * one.frames_matched for one in segments) / matched
        most = max(_claimed(query, sample, segments))
        value = score * matched / compared * max(0.1, most) * matched / (matched + 1)
    return Aligned(
        query=query,
        sample=sample,
        segments=segments,
        best=(int(here), int(there)),
        score=score,
        value=value,
        curve=tuple(np.clip(counted.max(axis=1), -1, 1).tolist()),
        exact=exact,
    )


def finding(
    aligned: Aligned,
    frames: tuple[Frames, Frames] | None = None,
    *,
    names: tuple[str, str],
    count: int = CHECKED,
) -> VideoFinding:
    """Say what two videos are to each other, by ``count`` pairs of frames.

    Without ``frames``, which show the query and the sample, no pixels are looked at. ``names`` are
    those of both, for people. Exchanged, the two are found to share as much.
    """
    checked, found = _looked_at(aligned, frames, count)
    share_query, share_sample = shares((aligned.query, aligned.sample), found)
    verdict, confidence = _judged(aligned, checked, max(share_query, share_sample))
    parts = tuple(_part(one, looked=bool(checked)) for one in found)
    mirrored = [one.match.mirrored for one in checked if one.match is not None]
    backwards = sum(one.segment.seconds for one in found if one.segment.reversed)
    video = VideoMatch(
        duration_s=aligned.sample.duration,
        segments=parts,
        frames_matched=sum(one.frames_matched for one in parts),
        frames_compared=sum(one.frames_compared for one in parts),
        share_query=share_query,
        share_sample=share_sample,
        mirrored=2 * sum(mirrored) > len(mirrored),
        reversed=2 * backwards > sum(one.segment.seconds for one in found),
        curve=tuple(zip(aligned.query.times.tolist(), aligned.curve, strict=True)),
        checked=checked,
        description="",
    )
    return VideoFinding(verdict, confidence, described(verdict, video, names))


def compare_clips(
    reader: ClipReader, a: Clip, b: Clip, *, name: str
) -> tuple[Aligned, VideoFinding]:
    """Compare two videos that a reader has read, by frames and pixels; ``name`` is the second's."""
    aligned = align_tracks(a.track, b.track, exact=a.sha256 == b.sha256)
    frames = (reader.frames(a), reader.frames(b))
    return aligned, finding(aligned, frames, names=("the first", name), count=COMPARED)


def best_match(checked: Sequence[CheckedFrame]) -> Match | None:
    """Return the geometry of the pair of frames that agree best."""
    found = [one for one in checked if one.match is not None]
    best = max(found, key=lambda one: one.score or 0.0, default=None)
    return None if best is None else best.match


def _looked_at(
    aligned: Aligned, frames: tuple[Frames, Frames] | None, count: int
) -> tuple[tuple[CheckedFrame, ...], tuple[Stretch, ...]]:
    """Look at the pixels in one order, whichever of both is the query."""
    claimed = tuple(Stretch.claimed(one) for one in aligned.segments)
    if frames is None or aligned.exact or not aligned.segments:
        return (), claimed
    tracks, segments = (aligned.query, aligned.sample), aligned.segments
    exchanged = not in_order(*tracks)
    if exchanged:
        frames, tracks = frames[::-1], tracks[::-1]
        segments = tuple(one.exchanged for one in segments)
    looks = chosen_looks(*tracks, segments, count)
    checked = look(*frames, looks, exchanged=exchanged)
    if not checked:
        return (), claimed
    inwards = [one.exchanged for one in checked] if exchanged else checked
    found = measured(frames, tracks, segments, inwards)
    return checked, tuple(one.exchanged for one in found) if exchanged else found


def _judged(
    aligned: Aligned, checked: Sequence[CheckedFrame], share: float
) -> tuple[Verdict, float]:
    """Return the verdict and the confidence: pixels above alignment, alignment above nearness."""
    if aligned.exact:
        return Verdict.EXACT, 1.0
    if aligned.blank:
        return Verdict.NOT_ASSESSABLE, 0.0
    if not aligned.segments:
        return Verdict.UNRELATED, 0.1 * float(np.clip(aligned.score, 0, 1))
    pixels = verdict_of(checked)
    if pixels is Verdict.NOT_ASSESSABLE:
        return pixels, 0.0
    if pixels is None or share < ENOUGH:
        return Verdict.SIMILAR, 0.1 + 0.4 * aligned.value
    return pixels, 0.5 + 0.499 * aligned.value


def _claimed(query: Track, sample: Track, segments: Sequence[Passage]) -> tuple[float, float]:
    return shares((query, sample), [Stretch.claimed(one) for one in segments])


def _part(stretch: Stretch, *, looked: bool) -> Part:
    segment = stretch.segment
    return Part(
        query_from_s=segment.query_from_s,
        query_until_s=segment.query_until_s,
        sample_from_s=max(0.0, segment.sample_from_s),
        sample_until_s=segment.sample_until_s,
        offset_s=segment.offset_s,
        frames_matched=segment.frames_matched,
        frames_compared=segment.frames_compared,
        score=segment.score,
        reversed=segment.reversed,
        verified=bool(stretch.query) if looked else None,
    )
