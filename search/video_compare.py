"""One video laid against another: which parts agree, how sure that is, what became of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np

from search.evidence import NEEDED_SIDE
from search.results import Match
from search.verdict import Verdict
from search.video_check import check_times, chosen_times, verdict_of
from search.video_clip import Clip, ClipReader
from search.video_match import Segment, Track, match_tracks
from search.video_results import CheckedFrame, Part, VideoMatch
from search.video_words import described

COMPARED = 8  # pairs of frames that two videos are compared by


@dataclass(frozen=True)
class Laid:
    """A query laid against a sample.

    ``best`` are the most alike frames of both; ``score`` is the mean cosine of matched frames;
    ``value``, 0 to 1, is how alike, how many frames, and how much of the shorter of both.
    ``curve`` (n,) is the best cosine of each of the query's frames.
    """

    query: Track
    sample: Track
    segments: tuple[Segment, ...]
    best: tuple[int, int]
    score: float
    value: float
    curve: tuple[float, ...]
    exact: bool


def lay(query: Track, sample: Track, *, exact: bool = False) -> Laid:
    """Find the parts that two videos share."""
    segments = match_tracks(query, sample)
    similar = query.vectors @ sample.vectors.T
    here, there = np.unravel_index(int(np.argmax(similar)), similar.shape)
    score, value = float(np.clip(similar.max(), -1, 1)), 0.0
    if segments:
        matched = sum(one.frames_matched for one in segments)
        compared = sum(one.frames_compared for one in segments)
        score = sum(one.score * one.frames_matched for one in segments) / matched
        shorter = min(query.duration, sample.duration)
        share = min(1.0, matched / compared) * max(0.1, share_of(segments, shorter))
        value = score * share * matched / (matched + 1)
    return Laid(
        query=query,
        sample=sample,
        segments=segments,
        best=(int(here), int(there)),
        score=score,
        value=value,
        curve=tuple(np.clip(similar.max(axis=1), -1, 1).tolist()),
        exact=exact,
    )


def judged(laid: Laid, pixels: Verdict | None) -> tuple[Verdict, float]:
    """Return the verdict and the confidence: pixels above alignment, alignment above nearness."""
    if laid.exact:
        return Verdict.EXACT, 1.0
    if pixels is not None and pixels is not Verdict.NOT_ASSESSABLE:
        return pixels, 0.5 + 0.499 * laid.value
    if not laid.segments:
        return Verdict.UNRELATED, 0.1 * float(np.clip(laid.score, 0, 1))
    return pixels or Verdict.SIMILAR, 0.1 + 0.4 * laid.value


def matched(
    laid: Laid, checked: tuple[CheckedFrame, ...], name: str, verdict: Verdict
) -> VideoMatch:
    """Return what is reported of two videos; ``name`` is the sample's, for people."""
    segments = _refined(laid.segments, checked)
    times = laid.query.times.tolist()
    return VideoMatch(
        duration_s=laid.sample.duration,
        segments=segments,
        frames_matched=sum(one.frames_matched for one in segments),
        frames_compared=sum(one.frames_compared for one in segments),
        query_share=share_of(laid.segments, laid.query.duration),
        sample_share=share_of(laid.segments, laid.sample.duration),
        curve=tuple(zip(times, laid.curve, strict=True)),
        checked=checked,
        description=described(verdict, name, segments, checked, still=laid.sample.duration <= 0),
    )


def compare_clips(
    reader: ClipReader, a: Clip, b: Clip, *, name: str
) -> tuple[Laid, Verdict, VideoMatch]:
    """Compare two videos that a reader has read, by frames and pixels; ``name`` is the second's."""
    laid = lay(a.track, b.track, exact=a.sha256 == b.sha256)
    checked: tuple[CheckedFrame, ...] = ()
    if laid.segments and not laid.exact:
        times = chosen_times(a.track, b.track, laid.segments, COMPARED)
        first, second = (reader.frames(one, at_least=NEEDED_SIDE) for one in (a, b))
        checked = check_times(first, second, times)
    verdict, _ = judged(laid, verdict_of(checked))
    return laid, verdict, matched(laid, checked, name, verdict)


def best_match(checked: Sequence[CheckedFrame]) -> Match | None:
    """Return the geometry of the pair of frames that agree best."""
    found = [one for one in checked if one.match is not None]
    best = max(found, key=lambda one: one.score or 0.0, default=None)
    return None if best is None else best.match


def share_of(segments: Sequence[Segment], duration: float) -> float:
    """Return the fraction of a video that lies in the matched parts."""
    if duration <= 0:
        return 1.0 if segments else 0.0
    return float(min(1.0, sum(one.seconds for one in segments) / duration))


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
