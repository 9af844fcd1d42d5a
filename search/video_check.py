"""Look at the pixels of frames that were matched: whether they are copies, and what was altered."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from indexer.decode import DecodedImage
from search.evidence import compare_decoded
from search.verdict import COPIES, Verdict
from search.video_clip import Frames
from search.video_match import Segment, Track
from search.video_results import CheckedFrame

CHECKED = 3  # pairs of frames a video
AROUND = tuple(step / 30 for step in range(-6, 7))  # seconds by which an offset may be off
SMALL = 32  # pixels


def chosen_times(
    query: Track, sample: Track, segments: Sequence[Segment], count: int = CHECKED
) -> list[tuple[float, float]]:
    """Return when to look at both videos: at the most alike pair of each share of the path."""
    offsets = {pair: one.offset_s for one in segments for pair in one.pairs}
    pairs = sorted(offsets)
    chosen = []
    for share in np.array_split(np.arange(len(pairs)), min(count, len(pairs))):
        mine = [pairs[int(at)] for at in share]
        here, there = max(
            mine, key=lambda one: float(query.vectors[one[0]] @ sample.vectors[one[1]])
        )
        time_s = float(query.times[here])
        chosen.append((time_s, time_s + offsets[here, there]))
    return chosen


def check_times(
    query: Frames, sample: Frames, times: Sequence[tuple[float, float]]
) -> tuple[CheckedFrame, ...]:
    """Compare frames of two files, shown at about these times, by their pixels.

    Of the sample's frames around a time the one that looks most like the query's is taken. Empty
    where a file is not there any more as it was; raise UnavailableError where a sample's is not.
    """
    first = query([here for here, _ in times])
    around = [there + shift for _, there in times for shift in AROUND]
    order = np.argsort(around, kind="stable").tolist()
    wanted = [max(0.0, around[at]) for at in order]
    shown = sample(wanted)
    if first is None or shown is None:
        return ()
    second = {at: frame for at, frame in zip(order, shown, strict=True)}
    checked = []
    for place, (time_s, _) in enumerate(times):
        candidates = range(place * len(AROUND), (place + 1) * len(AROUND))
        best = max(candidates, key=lambda at: _likeness(first[place], second[at]))
        found = compare_decoded(first[place], second[best]).comparison
        checked.append(
            CheckedFrame(
                query_s=time_s,
                sample_s=max(0.0, around[best]),
                verdict=found.verdict,
                score=found.score,
                match=found.match,
            )
        )
    return tuple(checked)


def _likeness(first: DecodedImage, second: DecodedImage) -> float:
    """Return the correlation of two frames, seen small and grey."""
    grey = [
        np.asarray(one.image.convert("L").resize((SMALL, SMALL)), dtype=np.float64)
        for one in (first, second)
    ]
    deviations = [one - one.mean() for one in grey]
    spread = float(np.prod([np.sqrt((one * one).mean()) for one in deviations]))
    return float((deviations[0] * deviations[1]).mean()) / (spread + 1.0)


def verdict_of(checked: Sequence[CheckedFrame]) -> Verdict | None:
    """Return what the compared frames say together, None where they are no copies."""
    copies = [one for one in checked if one.verdict in COPIES]
    if not copies:
        blank = checked and all(one.verdict is Verdict.NOT_ASSESSABLE for one in checked)
        return Verdict.NOT_ASSESSABLE if blank else None
    altered = sum(one.verdict is Verdict.ALTERED_COPY for one in copies)
    return Verdict.ALTERED_COPY if 2 * altered >= len(copies) else Verdict.COPY
