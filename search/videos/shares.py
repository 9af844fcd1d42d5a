"""How much of each of two videos the other one shows, by pixels, at places spread over the parts.

Where frames of a part were found to be copies, their geometry holds for the whole part; so small
frames, one warped onto the other, tell at many more places whether both still show the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np

from indexer.media.image import DecodedImage
from indexer.structure import ASSESSABLE, structure
from indexer.types import Float32
from search.results import Match
from search.verdict import COPIES
from search.verification.alignment import correlation
from search.verification.transforms import PIXEL_CENTRE, Matrix
from search.videos.alignment import Passage
from search.videos.frame_checks import FRAME
from search.videos.frames import Frames, in_any_order
from search.videos.matching import apart
from search.videos.results import CheckedFrame
from search.videos.tracks import Bools, Float64, Track

PLACES = 48  # at which the parts are looked at, all together
FEWEST = 6  # of each part
SIDE = 96  # pixels: the longer side of the small frames
WINDOW = 2.5  # pixels: the deviation of the window of local comparison
STRUCTURED = 1.0  # levels of deviation where there is something to compare
ALIKE = 0.6  # local correlation of places that show the same
LEAST, OF_CHECKED = 0.25, 0.5  # share of such places: at least, and of what a checked copy has
_SHIFTS = (0.0, -0.05, 0.05, -0.1, 0.1)  # seconds: as long as a film may show one frame
_RASTER = 4000  # steps in which shares are counted

Spans = tuple[tuple[float, float], ...]


@dataclass(frozen=True)
class Stretch:
    """A part, and the spans of both videos in which pixels were seen to agree, or both blank."""

    segment: Passage
    query: Spans = ()
    sample: Spans = ()
    blank_query: Spans = ()
    blank_sample: Spans = ()

    @property
    def exchanged(self) -> Stretch:
        """The part, looked at from the sample."""
        segment = self.segment.exchanged
        return Stretch(segment, self.sample, self.query, self.blank_sample, self.blank_query)

    @classmethod
    def claimed(cls, segment: Passage) -> Stretch:
        """Return a part that nobody looked at, as long as its frames' vectors make it."""
        return cls(
            segment,
            ((segment.query_from_s, segment.query_until_s),),
            ((segment.sample_from_s, segment.sample_until_s),),
        )


@dataclass(frozen=True)
class _Places:
    """Times (n,) of both videos, and the seconds that each of them stands for in either."""

    query: Sequence[float]
    sample: Sequence[float]
    seconds: float

    @property
    def exchanged(self) -> _Places:
        return _Places(self.sample, self.query, self.seconds)


def measured(
    frames: tuple[Frames, Frames],
    tracks: tuple[Track, Track],
    segments: Sequence[Passage],
    checked: Sequence[CheckedFrame],
) -> tuple[Stretch, ...]:
    """Return how far each part goes of which a frame was found to be a copy.

    The others are not verified: their spans are empty.
    """
    total = sum(one.seconds for one in segments) or 1.0
    found = []
    for number, segment in enumerate(segments):
        copies = [one for one in checked if one.part == number and one.verdict in COPIES]
        count = max(FEWEST, round(PLACES * segment.seconds / total))
        found.append(_stretch(frames, tracks, segment, copies, count))
    cut = apart([one.segment for one in found])
    return tuple(replace(one, segment=each) for one, each in zip(found, cut, strict=True))


def shares(tracks: tuple[Track, Track], found: Sequence[Stretch]) -> tuple[float, float]:
    """Return the fractions of both videos that the other shows, of what could be assessed."""
    query, sample = tracks
    return (
        _share(query, [one.query for one in found], [one.blank_query for one in found]),
        _share(sample, [one.sample for one in found], [one.blank_sample for one in found]),
    )


def _share(track: Track, shown: Sequence[Spans], blank: Sequence[Spans]) -> float:
    if track.duration <= 0:
        return float(any(shown))
    times = (np.arange(_RASTER) + 0.5) * track.duration / _RASTER
    frames = np.minimum(np.searchsorted(track.ends, times), len(track) - 1)
    assessable = track.assessable[frames] & ~_inside(times, blank)
    both = assessable & _inside(times, shown)
    return float(both.sum() / max(1, assessable.sum()))


def _inside(times: Float64, spans: Sequence[Spans]) -> Bools:
    inside = np.zeros(len(times), dtype=np.bool_)
    for low, high in (span for part in spans for span in part):
        inside |= (times >= low) & (times <= high)
    return inside


def _stretch(
    frames: tuple[Frames, Frames],
    tracks: tuple[Track, Track],
    segment: Passage,
    copies: Sequence[CheckedFrame],
    count: int,
) -> Stretch:
    best = max(copies, key=lambda one: one.score or 0.0, default=None)
    if best is None or best.match is None:
        return Stretch(segment)
    still = min(one.duration for one in tracks) <= 0
    fitted = segment if still else segment.moved(_axis(segment, copies))
    places = _places(tracks, fitted, count)
    agree = _agreeing(*frames, places, best)
    if agree is None:
        return Stretch(segment)
    same, blank = agree
    return Stretch(
        _trimmed(fitted, places, same),
        _spans(places.query, places.seconds, same),
        _spans(places.sample, places.seconds, same),
        _spans(places.query, places.seconds, blank),
        _spans(places.sample, places.seconds, blank),
    )


def _axis(segment: Passage, copies: Sequence[CheckedFrame]) -> float:
    sign = 1 if segment.reversed else -1
    return float(np.median([one.sample_s + sign * one.query_s for one in copies]))


def _places(tracks: tuple[Track, Track], segment: Passage, count: int) -> _Places:
    """Return times spread evenly over a part, and over as much around it as is not known."""
    query, sample = tracks
    if query.duration <= 0:
        return _places((sample, query), segment.exchanged, count).exchanged
    reach = max(query.spacing, sample.spacing)
    low = max(0.0, segment.query_from_s - reach)
    high = min(query.duration, segment.query_until_s + reach)
    if sample.duration > 0:
        ends = sorted((segment.here(0.0), segment.here(sample.duration)))
        low, high = max(low, ends[0]), min(high, ends[1])
    seconds = max(high - low, FRAME) / count
    times = [low + (at + 0.5) * seconds for at in range(count)]
    there = [segment.there(one) if sample.duration > 0 else 0.0 for one in times]
    return _Places(times, there, seconds)


def _agreeing(
    query: Frames, sample: Frames, places: _Places, copy: CheckedFrame
) -> tuple[Bools, Bools] | None:
    """Return at which places both show the same, and at which both are blank.

    The first place looked at is that of the copy, by which the others are measured.
    """
    here = in_any_order(query, [copy.query_s, *places.query], at_least=SIDE)
    times = [copy.sample_s, *places.sample]
    there = in_any_order(sample, [one + shift for one in times for shift in _SHIFTS], at_least=SIDE)
    if here is None or there is None or copy.match is None:
        return None
    step = len(_SHIFTS)
    pairs = [(first, there[at * step : (at + 1) * step]) for at, first in enumerate(here)]
    agreement = np.array(
        [max(_agreement(first, one, copy.match) for one in mine) for first, mine in pairs]
    )
    bare: Bools = np.array([[_bare(first), _bare(mine[0])] for first, mine in pairs])
    blank, one_blank = bare.all(axis=1), bare.any(axis=1)
    least = max(LEAST, OF_CHECKED * float(agreement[0]))
    same = np.asarray((agreement >= least) & ~one_blank)
    return same[1:], np.asarray(blank)[1:]


def _bare(frame: DecodedImage) -> bool:
    return structure(frame.image) < ASSESSABLE


def _agreement(here: DecodedImage, there: DecodedImage, match: Match) -> float:
    """Return the share of places with structure that show the same, 0 to 1."""
    scale = SIDE / max(here.width, here.height)
    size = (max(1, round(here.width * scale)), max(1, round(here.height * scale)))
    first, to_first = _small(here, size)
    factor = scale / match.scale
    second, to_second = _small(
        there, (max(1, round(there.width * factor)), max(1, round(there.height * factor)))
    )
    matrix = to_second @ np.array(match.transform) @ np.linalg.inv(to_first)
    matrix = np.linalg.inv(PIXEL_CENTRE) @ matrix @ PIXEL_CENTRE
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    warped = cv2.warpPerspective(second, matrix, size, flags=flags)
    visible = cv2.warpPerspective(np.ones_like(second), matrix, size, flags=flags) > 0.99
    found, deviation = correlation(first, np.asarray(warped, np.float32), window=WINDOW)
    structured = visible & (deviation > STRUCTURED)
    return float((found[structured] > ALIKE).mean()) if structured.any() else 0.0


def _small(picture: DecodedImage, size: tuple[int, int]) -> tuple[Float32, Matrix]:
    """Return a picture in grey at a size, and what takes pixels of the original there."""
    grey = np.asarray(picture.image.convert("L"), dtype=np.float32)
    small = cv2.resize(grey, size, interpolation=cv2.INTER_AREA)
    return small, np.diag([size[0] / picture.width, size[1] / picture.height, 1.0])


def _spans(times: Sequence[float], seconds: float, chosen: Bools) -> Spans:
    return tuple(
        (time_s - seconds / 2, time_s + seconds / 2)
        for time_s, one in zip(times, chosen, strict=True)
        if one
    )


def _trimmed(segment: Passage, places: _Places, same: Bools) -> Passage:
    """Return a part as far as both show the same; as it was where they do nowhere."""
    if not same.any():
        return segment
    ends = []
    for times in (places.query, places.sample):
        mine = np.array(times)[same]
        ends.append((float(mine.min()), float(mine.max())))
    (query_from, query_until), (sample_from, sample_until) = ends
    half = places.seconds / 2
    return replace(
        segment,
        query_from_s=max(0.0, query_from - half),
        query_until_s=query_until + half,
        sample_from_s=max(0.0, sample_from - half),
        sample_until_s=sample_until + half,
    )
