"""Align two tracks in one direction: the offset that most frames speak for, and a path along it.

Offsets are those of Hough voting over pairs of frames, as in temporal alignment for copy detection
(Douze, Jegou and Schmid 2010); the path is the best rising chain of pairs around the offset.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from search.videos.tracks import STEP, Float64, Track

MOST_VOTES = 4096
GAP = 2.0  # seconds, or spacings, that may be missing within one path
_WORST = -0.2  # what a pair of frames that differ takes away at most

Pairs = tuple[tuple[int, int], ...]


@dataclass(frozen=True, kw_only=True)
class Passage:
    """A part of the query found in a sample, which begins ``offset_s`` later there than here.

    ``pairs`` (frame of the query, frame of the sample) were matched, of ``frames_compared`` in
    the part; ``score`` is their mean cosine. Where ``reversed`` the sample shows it backwards.
    """

    query_from_s: float
    query_until_s: float
    sample_from_s: float
    sample_until_s: float
    frames_matched: int
    frames_compared: int
    score: float
    pairs: Pairs
    reversed: bool = False

    @property
    def offset_s(self) -> float:
        """How much later the part begins in the sample."""
        return self.sample_from_s - self.query_from_s

    @property
    def seconds(self) -> float:
        """How long the part is."""
        return self.query_until_s - self.query_from_s

    @property
    def axis(self) -> float:
        """What a time here and the one there differ by, or, where reversed, add up to."""
        return self.sample_until_s + self.query_from_s if self.reversed else self.offset_s

    def there(self, time_s: float) -> float:
        """Return when the sample shows what the query shows at a time."""
        return self.axis - time_s if self.reversed else self.axis + time_s

    def here(self, time_s: float) -> float:
        """Return when the query shows what the sample shows at a time."""
        return self.axis - time_s if self.reversed else time_s - self.axis

    def moved(self, axis: float) -> Passage:
        """Return the part of the query where the sample is known to be at another offset."""
        ends = [self.query_from_s, self.query_until_s]
        low, high = sorted(axis - one if self.reversed else axis + one for one in ends)
        return replace(self, sample_from_s=low, sample_until_s=high)

    @property
    def exchanged(self) -> Passage:
        """The part, looked at from the sample."""
        return replace(
            self,
            query_from_s=self.sample_from_s,
            query_until_s=self.sample_until_s,
            sample_from_s=self.query_from_s,
            sample_until_s=self.query_until_s,
            pairs=tuple(sorted((there, here) for here, there in self.pairs)),
        )

    @property
    def against(self) -> Pairs:
        """The same frames, paired in the other direction."""
        rows, columns = zip(*self.pairs, strict=True)
        return tuple(zip(rows, columns[::-1], strict=True))

    def turned(self, sample: Track) -> Passage:
        """Return a part of a sample that was played backwards as one of the sample."""
        last = len(sample) - 1
        return replace(
            self,
            sample_from_s=sample.duration - self.sample_until_s,
            sample_until_s=sample.duration - self.sample_from_s,
            pairs=tuple((here, last - there) for here, there in self.pairs),
            reversed=True,
        )


def aligned(query: Track, sample: Track, similar: Float64, above: Float64) -> Passage | None:
    """Return the part, shown forwards in both, for which most pairs of frames speak.

    ``similar`` (n, m) are cosines, ``above`` what they exceed a bound by: 0 where nothing is said.
    """
    offset = _offset(query, sample, above)
    if offset is None:
        return None
    path = _path(query, sample, above, offset)
    return _segment(query, sample, similar, path, offset) if path else None


def gap(query: Track, sample: Track) -> float:
    """Return how many seconds may be missing within one path."""
    return GAP * max(1.0, query.spacing, sample.spacing)


def _offset(query: Track, sample: Track, above: Float64) -> float | None:
    """Return the offset for which the most frames speak, None where none does."""
    rows, columns = np.nonzero(above > 0)
    if not len(rows):
        return None
    kept = np.argsort(-above[rows, columns], kind="stable")[:MOST_VOTES]
    votes = sample.times[columns[kept]] - query.times[rows[kept]]
    reach = max(query.spacing, sample.spacing) / 2
    steps = np.arange(-reach, reach + STEP, STEP)
    tried = np.unique(np.round(votes / STEP).astype(np.int64))
    around = np.unique((tried[:, None] + np.round(steps / STEP).astype(np.int64)).ravel())
    evidence = [_evidence(query, sample, above, place * STEP) for place in around]
    same = around[np.array(evidence) >= max(evidence) - 1e-9]
    # What is repeated fits as well elsewhere: the middle is that of the first run of offsets.
    runs = np.split(same, np.flatnonzero(np.diff(same) > 1) + 1)
    return float(np.median(runs[0]) * STEP)


def _evidence(query: Track, sample: Track, above: Float64, offset: float) -> float:
    """Return how strongly two videos agree, where they do most, if one lies at an offset."""
    if query.spacing > sample.spacing:
        return _evidence(sample, query, above.T, -offset)
    places = sample.times - offset
    inside = (places >= query.starts[0] - STEP) & (places <= query.ends[-1] + STEP)
    columns = np.flatnonzero(inside)
    if not len(columns):
        return 0.0
    values = np.maximum(_between(query.times, above[:, columns], places[columns]), _WORST)
    sums = np.concatenate([[0.0], np.cumsum(values)])
    return float((sums - np.minimum.accumulate(sums)).max())


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
    rows, columns = np.nonzero((above > 0) & (apart <= reach))
    order = np.lexsort((columns, rows))
    pairs = list(zip(rows[order].tolist(), columns[order].tolist(), strict=True))
    most = gap(query, sample)
    best: list[float] = []
    before: list[int] = []
    for place, (row, column) in enumerate(pairs):
        gain = above[row, column] * (1 - apart[row, column] / (2 * reach)) + 1e-6
        best.append(float(gain))
        before.append(-1)
        for other in range(place - 1, -1, -1):
            earlier, there = pairs[other]
            if query.times[row] - query.times[earlier] > most:
                break
            passed = min(row - earlier, column - there) - 1
            joined = best[other] + gain + _WORST * max(0, passed)
            if passed >= 0 and joined > best[place]:
                best[place], before[place] = float(joined), other
    chain: list[tuple[int, int]] = []
    place = int(np.argmax(best)) if best else -1
    while place >= 0:
        chain.append(pairs[place])
        place = before[place]
    return chain[::-1]


def _segment(
    query: Track, sample: Track, similar: Float64, path: list[tuple[int, int]], shift: float
) -> Passage:
    rows, columns = np.array(path).T
    # A matched frame stands for its part of the video, as far as the other video goes.
    first = max(min(query.starts[rows[0]], sample.starts[columns[0]] - shift), 0.0, -shift)
    last = min(
        max(query.ends[rows[-1]], sample.ends[columns[-1]] - shift),
        query.duration,
        sample.duration - shift,
    )
    last = max(last, first)
    return Passage(
        query_from_s=float(first),
        query_until_s=float(last),
        sample_from_s=float(first + shift),
        sample_until_s=float(last + shift),
        frames_matched=len(path),
        frames_compared=compared(query, sample, tuple(path)),
        score=float(np.clip(similar[rows, columns].mean(), -1, 1)),
        pairs=tuple(path),
    )


def matched(pairs: Pairs) -> int:
    """Count the frames that were matched, of the video that has fewer of them."""
    return min(len(set(places)) for places in zip(*pairs, strict=True))


def compared(query: Track, sample: Track, pairs: Pairs) -> int:
    """Count the frames that could be, which are not blank: never fewer than were."""
    counts = [
        int(track.assessable[min(places) : max(places) + 1].sum())
        for track, places in zip((query, sample), zip(*pairs, strict=True), strict=True)
    ]
    return min(counts)
