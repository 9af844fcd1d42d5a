"""Where one video lies in another: frames vote for an offset in time, a path confirms it.

Offsets are those of Hough voting over pairs of frames, as in temporal alignment for copy detection
(Douze, Jegou and Schmid 2010); the path is the best rising chain of pairs around the offset.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from indexer.types import Float32, Int64, Span

ALIKE = 0.5  # cosine from which two frames may show the same: what the encoder is trained to
MOST_SEGMENTS = 8
MOST_FRAMES = 4000  # of a track, with those that were thinned
MOST_VOTES = 4096
STEP = 0.05  # seconds between the offsets that are tried
GAP = 2.0  # seconds, or spacings, that may be missing within one path
MOST_GAPS = 3  # so much may be missing within one segment
CONVINCING = 0.3  # what the cosines of a part's frames must exceed the bound by, together
RIVAL = 0.05  # cosine: a frame found once is found again only where it fits about as well
_WORST = -0.2  # what a pair of frames that differ takes away at most

Float64 = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Track:
    """A video as n frames: ``times`` (n,) rising, the parts they stand for, unit ``vectors``."""

    times: Float64
    starts: Float64
    ends: Float64
    vectors: Float32

    @classmethod
    def of(cls, spans: Sequence[Span], vectors: Float32) -> tuple[Track, Int64]:
        """Return a track of kept frames, and which of them (n,) each of its frames is.

        A frame that stands for more than the others, because what followed showed the same, comes
        several times.
        """
        part = min(one.until_s - one.from_s for one in spans)
        part = max(part, spans[-1].until_s / MOST_FRAMES, STEP)
        times, starts, ends, owners = [], [], [], []
        for place, one in enumerate(spans):
            count = max(1, round((one.until_s - one.from_s) / part))
            edges = np.linspace(one.from_s, one.until_s, count + 1)
            times += [one.time_s, *((edges[1:-1] + edges[2:]) / 2)]
            starts += edges[:-1].tolist()
            ends += edges[1:].tolist()
            owners += [place] * count
        owner = np.array(owners, dtype=np.int64)
        track = cls(np.array(times), np.array(starts), np.array(ends), vectors[owner])
        return track, owner

    def __post_init__(self) -> None:
        n = len(self.times)
        if not n or self.starts.shape != (n,) or self.ends.shape != (n,):
            raise ValueError(f"a track: {n} times, {self.starts.shape}, {self.ends.shape}")
        if self.vectors.ndim != 2 or len(self.vectors) != n or (np.diff(self.times) <= 0).any():
            raise ValueError(f"a track: {n} rising times for vectors {self.vectors.shape}")

    def __len__(self) -> int:
        return len(self.times)

    @property
    def duration(self) -> float:
        """How many seconds the video has."""
        return float(self.ends[-1])

    @property
    def spacing(self) -> float:
        """How many seconds a frame stands for."""
        return max(STEP, self.duration / len(self))


@dataclass(frozen=True, kw_only=True)
class Segment:
    """A part of the query found in a sample, ``offset_s`` later there than here.

    ``pairs`` (frame of the query, frame of the sample) were matched, of ``frames_compared`` in
    the part; ``score`` is their mean cosine.
    """

    query_from_s: float
    query_until_s: float
    sample_from_s: float
    sample_until_s: float
    offset_s: float
    frames_matched: int
    frames_compared: int
    score: float
    pairs: tuple[tuple[int, int], ...]

    @property
    def seconds(self) -> float:
        """How long the part is."""
        return self.query_until_s - self.query_from_s


def video_vector(vectors: Float32) -> Float32:
    """Return the vector (dim,) of a whole video: the mean of its frames', of unit length."""
    mean = np.asarray(vectors.mean(axis=0), dtype=np.float32)
    return np.asarray(mean / max(float(np.linalg.norm(mean)), 1e-12), dtype=np.float32)


def match_tracks(query: Track, sample: Track, *, alike: float = ALIKE) -> tuple[Segment, ...]:
    """Return the parts of the query that the sample shows too, the longest first.

    Each frame of the query belongs to one part at most.
    """
    similar = np.asarray(query.vectors @ sample.vectors.T, dtype=np.float64)
    only = min(len(query), len(sample)) == 1
    found: list[Segment] = []
    while len(found) < (1 if only else MOST_SEGMENTS):
        segment = _best(query, sample, similar, alike)
        if segment is None or not _convinces(segment, alike, only=only):
            break
        if not found:
            similar = np.where(_rivals(similar), similar, -1.0)
        found.append(segment)
        inside = (query.times >= segment.query_from_s) & (query.times <= segment.query_until_s)
        similar[inside] = -1.0
        similar[[one for one, _ in segment.pairs]] = -1.0
    joined = _joined(query, sample, found)
    return tuple(sorted(joined, key=lambda one: (-one.seconds, one.query_from_s)))


def _joined(query: Track, sample: Track, found: list[Segment]) -> list[Segment]:
    """Join neighbouring parts at the same offset: between them some frames were not alike."""
    reach = max(query.spacing, sample.spacing) / 2
    joined: list[Segment] = []
    for one in sorted(found, key=lambda part: part.query_from_s):
        before = joined[-1] if joined else None
        if (
            before is not None
            and abs(before.offset_s - one.offset_s) <= reach
            and one.query_from_s - before.query_until_s <= MOST_GAPS * _gap(query, sample)
        ):
            joined[-1] = _union(query, sample, before, one)
        else:
            joined.append(one)
    return joined


def _union(query: Track, sample: Track, first: Segment, second: Segment) -> Segment:
    longer = max(first, second, key=lambda one: one.frames_matched)
    matched = first.frames_matched + second.frames_matched
    score = first.score * first.frames_matched + second.score * second.frames_matched
    from_s, until_s = first.query_from_s, max(first.query_until_s, second.query_until_s)
    return Segment(
        query_from_s=from_s,
        query_until_s=until_s,
        sample_from_s=from_s + longer.offset_s,
        sample_until_s=until_s + longer.offset_s,
        offset_s=longer.offset_s,
        frames_matched=matched,
        frames_compared=max(matched, _compared(query, sample, from_s, until_s, longer.offset_s)),
        score=score / matched,
        pairs=tuple(sorted({*first.pairs, *second.pairs})),
    )


def _gap(query: Track, sample: Track) -> float:
    return GAP * max(1.0, query.spacing, sample.spacing)


def _convinces(segment: Segment, alike: float, *, only: bool) -> bool:
    """Tell whether so many frames are so much alike that it is no coincidence."""
    if only:
        return segment.score >= alike
    return segment.frames_matched * (segment.score - alike) >= CONVINCING


def _rivals(similar: Float64) -> Bools:
    """Return the pairs (n, m) of which neither frame has a much better partner."""
    best = np.maximum(similar.max(axis=1)[:, None], similar.max(axis=0)[None])
    return np.asarray(similar >= best - RIVAL)


def _best(query: Track, sample: Track, similar: Float64, alike: float) -> Segment | None:
    offset = _offset(query, sample, similar, alike)
    if offset is None:
        return None
    path = _path(query, sample, similar - alike, offset)
    return _segment(query, sample, similar, path, offset) if path else None


def _offset(query: Track, sample: Track, similar: Float64, alike: float) -> float | None:
    """Return the offset for which the most frames speak, None where none does."""
    rows, columns = np.nonzero(similar >= alike)
    if not len(rows):
        return None
    strength = similar[rows, columns] - alike
    kept = np.argsort(-strength, kind="stable")[:MOST_VOTES]
    votes = sample.times[columns[kept]] - query.times[rows[kept]]
    reach = max(query.spacing, sample.spacing) / 2
    steps = np.arange(-reach, reach + STEP, STEP)
    tried = np.unique(np.round(votes / STEP).astype(np.int64))
    around = np.unique((tried[:, None] + np.round(steps / STEP).astype(np.int64)).ravel())
    evidence = [_evidence(query, sample, similar - alike, place * STEP) for place in around]
    best = int(np.argmax(evidence))
    level = evidence[best] - 1e-9
    same = [place for place, one in zip(around, evidence, strict=True) if one >= level]
    return float(np.median(same) * STEP)


def _evidence(query: Track, sample: Track, above: Float64, offset: float) -> float:
    """Return how strongly two videos agree if one lies at an offset in the other."""
    if query.spacing > sample.spacing:
        return _evidence(sample, query, above.T, -offset)
    places = sample.times - offset
    inside = (places >= query.starts[0] - STEP) & (places <= query.ends[-1] + STEP)
    columns = np.flatnonzero(inside)
    if not len(columns):
        return 0.0
    values = _between(query.times, above[:, columns], places[columns])
    return float(np.maximum(values, _WORST).sum())


def _between(times: Float64, values: Float64, places: Float64) -> Float64:
    """Return ``values`` (n, m) read at ``places`` (m,) of ``times`` (n,), each from its column."""
    after = np.clip(np.searchsorted(times, places), 0, len(times) - 1)
    before = np.maximum(after - 1, 0)
    width = times[after] - times[before]
    share = np.clip((places - times[before]) / np.where(width > 0, width, 1), 0, 1)
    columns = np.arange(len(places))
    return (1 - share) * values[before, columns] + share * values[after, columns]


def _path(query: Track, sample: Track, above: Float64, offset: float) -> list[tuple[int, int]]:
    """Return the strongest chain of pairs near an offset, rising in both videos."""
    reach = max(query.spacing, sample.spacing) / 2 + STEP
    apart = np.abs(sample.times[None] - query.times[:, None] - offset)
    rows, columns = np.nonzero((above >= 0) & (apart <= reach))
    order = np.lexsort((columns, rows))
    pairs = list(zip(rows[order].tolist(), columns[order].tolist(), strict=True))
    gap = _gap(query, sample)
    best: list[float] = []
    before: list[int] = []
    for place, (row, column) in enumerate(pairs):
        gain = above[row, column] * (1 - apart[row, column] / (2 * reach)) + 1e-6
        best.append(float(gain))
        before.append(-1)
        for other in range(place - 1, -1, -1):
            earlier, there = pairs[other]
            if query.times[row] - query.times[earlier] > gap:
                break
            joins = earlier < row and there < column
            if joins and best[other] + gain > best[place]:
                best[place], before[place] = best[other] + float(gain), other
    chain: list[tuple[int, int]] = []
    place = int(np.argmax(best)) if best else -1
    while place >= 0:
        chain.append(pairs[place])
        place = before[place]
    return chain[::-1]


def _segment(
    query: Track, sample: Track, similar: Float64, path: list[tuple[int, int]], shift: float
) -> Segment:
    rows, columns = np.array(path).T
    # A matched frame stands for its part of the video, as far as the other video goes.
    first = max(min(query.starts[rows[0]], sample.starts[columns[0]] - shift), 0.0, -shift)
    last = min(
        max(query.ends[rows[-1]], sample.ends[columns[-1]] - shift),
        query.duration,
        sample.duration - shift,
    )
    last = max(last, first)
    return Segment(
        query_from_s=float(first),
        query_until_s=float(last),
        sample_from_s=float(first + shift),
        sample_until_s=float(last + shift),
        offset_s=shift,
        frames_matched=len(path),
        frames_compared=_compared(query, sample, first, last, shift),
        score=float(np.clip(similar[rows, columns].mean(), -1, 1)),
        pairs=tuple(path),
    )


def _compared(query: Track, sample: Track, first: float, last: float, shift: float) -> int:
    """Count the pairs that a part could have: the frames of the video that has fewer there."""
    here = (query.times >= first) & (query.times <= last)
    there = (sample.times >= first + shift) & (sample.times <= last + shift)
    return max(1, min(int(here.sum()), int(there.sum())))
