"""Which parts two videos share, forwards or backwards, by the vectors of their frames alone.

Blank frames speak neither for a part nor against it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from search.videos.alignment import Pairs, Passage, aligned, compared, gap, matched
from search.videos.tracks import Bools, Float64, Track

ALIKE = 0.5  # cosine from which two frames may show the same: what the encoder is trained to
MOST_SEGMENTS = 16
MOST_GAPS = 3  # so much may be missing within one segment
CONVINCING = 0.3  # what the cosines of a part's frames must exceed the bound by, together
FEW, SURELY = 2, 0.25  # so few frames must exceed it by so much each
RIVAL = 0.05  # cosine: a frame found once is found again only where it fits about as well
WORSE = 1 / 3  # cosine by which a frame's partner may be less like it than its best one
MOVED = 0.01  # cosine that frames differ by from where they are shown in the other direction
REPEATED = 0.5  # share of a part, from which on it is shown once more and not cut too wide


def match_tracks(query: Track, sample: Track, *, alike: float = ALIKE) -> tuple[Passage, ...]:
    """Return the parts of the query that the sample shows too, the longest first.

    The two exchanged, the same parts are found: what one of them repeats is looked for from both
    sides, and the side from which more is found counts.
    """
    if not in_order(query, sample):
        return _longest([one.exchanged for one in match_tracks(sample, query, alike=alike)])
    from_query = apart(_parts(query, sample, alike))
    from_sample = apart(_parts(sample, query, alike))
    exchanged = [one.exchanged for one in from_sample]
    return _longest(max((from_query, exchanged), key=lambda parts: round(_seconds(parts), 6)))


def covered(spans: list[tuple[float, float]]) -> float:
    """Return how many seconds lie in any of some spans, each from one time until another."""
    total, end = 0.0, float("-inf")
    for from_s, until_s in sorted(spans):
        total += max(0.0, until_s - max(from_s, end))
        end = max(end, until_s)
    return total


def in_order(query: Track, sample: Track) -> bool:
    """Tell whether of two videos the query is the one to look from: the same one from either."""
    first, second = ((one.duration, one.vectors.tobytes()) for one in (query, sample))
    return first <= second


def _seconds(parts: list[Passage]) -> float:
    here = covered([(one.query_from_s, one.query_until_s) for one in parts])
    return here + covered([(one.sample_from_s, one.sample_until_s) for one in parts])


def _longest(parts: list[Passage]) -> tuple[Passage, ...]:
    return tuple(sorted(parts, key=lambda one: (-one.seconds, one.query_from_s)))


def _parts(query: Track, sample: Track, alike: float) -> list[Passage]:
    """Return the parts of the query, each frame of which belongs to one at most."""
    both = np.outer(query.assessable, sample.assessable)
    similar = np.asarray(query.vectors @ sample.vectors.T, dtype=np.float64)
    similar[~both] = -1.0
    if min(query.duration, sample.duration) <= 0:
        return _with_a_picture(query, sample, similar, alike)
    bound = np.maximum(alike, _best_partner(similar) - WORSE)
    found: list[Passage] = []
    while len(found) < MOST_SEGMENTS:
        segment = _best(query, sample, similar, np.where(both, similar - bound, 0.0))
        if segment is None or not _convinces(segment, alike):
            break
        if not found:
            similar = np.where(_rivals(similar), similar, -1.0)
        if not _seen_again(segment, found):
            found.append(segment)
        inside = (query.times >= segment.query_from_s) & (query.times <= segment.query_until_s)
        similar[inside] = -1.0
        similar[[one for one, _ in segment.pairs]] = -1.0
    return _joined(query, sample, found)


def _seen_again(segment: Passage, found: list[Passage]) -> bool:
    """Tell whether a part is a single frame of the sample that other parts have had already."""
    used = {there for one in found for _, there in one.pairs}
    return len(segment.pairs) == 1 and segment.pairs[0][1] in used


def _best(query: Track, sample: Track, similar: Float64, above: Float64) -> Passage | None:
    """Return the part for which most speaks, forwards or backwards.

    What stands still looks the same in both directions, and is said to be shown forwards.
    """
    forwards = aligned(query, sample, similar, above)
    backwards = aligned(query, sample.reversed, similar[:, ::-1], above[:, ::-1])
    if backwards is None:
        return forwards
    here = _strength(above, () if forwards is None else forwards.pairs)
    there = _strength(above[:, ::-1], backwards.pairs)
    if there <= here:
        return forwards
    turned = backwards.turned(sample)
    stands = _strength(above, turned.pairs) - _strength(above, turned.against)
    if stands > MOVED * len(turned.pairs):
        return turned
    return replace(turned, pairs=turned.against, reversed=False)


def _strength(above: Float64, pairs: Pairs) -> float:
    return float(sum(above[here, there] for here, there in pairs))


def _convinces(segment: Passage, alike: float) -> bool:
    """Tell whether so many frames are so much alike that it is no coincidence."""
    above = segment.score - alike
    few = segment.frames_matched <= FEW
    return segment.frames_matched * above >= CONVINCING and (above >= SURELY or not few)


def _rivals(similar: Float64) -> Bools:
    """Return the pairs (n, m) of which neither frame has a much better partner."""
    return np.asarray(similar >= _best_partner(similar) - RIVAL)


def _best_partner(similar: Float64) -> Float64:
    """Return the cosine (n, m) of either frame of each pair with the one most like it."""
    return np.asarray(np.maximum(similar.max(axis=1)[:, None], similar.max(axis=0)[None]))


def _with_a_picture(query: Track, sample: Track, similar: Float64, alike: float) -> list[Passage]:
    """Return where a video shows a picture, which is a track of one frame without duration."""
    if query.duration > 0:
        return [one.exchanged for one in _with_a_picture(sample, query, similar.T, alike)]
    best = int(similar[0].argmax())
    score = float(similar[0, best])
    if score < alike:
        return []
    shown = similar[0] >= max(alike, score - RIVAL)
    first = best - int(np.argmin([*shown[best::-1], False])) + 1
    last = best + int(np.argmin([*shown[best:], False])) - 1
    here, from_s = float(query.times[0]), float(sample.times[first])
    return [
        Passage(
            query_from_s=here,
            query_until_s=here,
            sample_from_s=from_s,
            sample_until_s=max(from_s, float(sample.ends[last])),
            frames_matched=1,
            frames_compared=1,
            score=min(1.0, score),
            pairs=((0, best),),
        )
    ]


def _joined(query: Track, sample: Track, found: list[Passage]) -> list[Passage]:
    """Join neighbouring parts at the same offset: between them some frames were not alike."""
    reach = max(query.spacing, sample.spacing) / 2
    joined: list[Passage] = []
    for one in sorted(found, key=lambda part: part.query_from_s):
        before = joined[-1] if joined else None
        if (
            before is not None
            and before.reversed is one.reversed
            and abs(before.axis - one.axis) <= reach
            and one.query_from_s - before.query_until_s <= MOST_GAPS * gap(query, sample)
        ):
            joined[-1] = _union(query, sample, before, one)
        else:
            joined.append(one)
    return joined


def _union(query: Track, sample: Track, first: Passage, second: Passage) -> Passage:
    both = first.frames_matched + second.frames_matched
    score = first.score * first.frames_matched + second.score * second.frames_matched
    pairs = tuple(sorted({*first.pairs, *second.pairs}))
    longer = max(first, second, key=lambda one: one.frames_matched)
    from_s, until_s = first.query_from_s, max(first.query_until_s, second.query_until_s)
    low, high = sorted((longer.there(from_s), longer.there(until_s)))
    return replace(
        longer,
        query_from_s=from_s,
        query_until_s=until_s,
        sample_from_s=max(0.0, low),
        sample_until_s=min(sample.duration, high),
        frames_matched=matched(pairs),
        frames_compared=compared(query, sample, pairs),
        score=score / both,
        pairs=pairs,
    )


def apart(parts: Sequence[Passage]) -> list[Passage]:
    """Cut parts where they overlap a little, in either video: the later one begins later.

    Their order stays.
    """
    once = [one.exchanged for one in _cut(parts)]
    return [one.exchanged for one in _cut(once)]


def _cut(parts: Sequence[Passage]) -> list[Passage]:
    cut = list(parts)
    end = 0.0
    for place in sorted(range(len(cut)), key=lambda at: cut[at].query_from_s):
        late = max(0.0, end - cut[place].query_from_s)
        if late < REPEATED * cut[place].seconds:
            cut[place] = _later(cut[place], late)
        end = cut[place].query_until_s
    return cut


def _later(part: Passage, seconds: float) -> Passage:
    """Return a part that begins later in the query."""
    ends = {"query_from_s": part.query_from_s + seconds}
    if part.reversed:
        ends["sample_until_s"] = part.sample_until_s - seconds
    else:
        ends["sample_from_s"] = part.sample_from_s + seconds
    return replace(part, **ends)  # type: ignore[arg-type]
