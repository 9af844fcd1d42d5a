"""Look at the pixels of frames that were matched: whether they are copies, and what was altered."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image

from indexer.media.image import DecodedImage
from indexer.structure import ASSESSABLE, structure
from indexer.types import Float32
from search.evidence import NEEDED_SIDE, compare_decoded
from search.verdict import COPIES, Verdict
from search.videos.alignment import Passage
from search.videos.frames import Frames, in_any_order
from search.videos.results import CheckedFrame
from search.videos.tracks import Track

CHECKED = 6  # pairs of frames of two videos, and at least one of each part
FRAME = 1 / 30  # seconds: as near as times are found
STEPS = np.arange(-6, 7)  # at which a time is looked for around a place
OFF_BY = 0.5  # spacings of frames by which an offset may be off
SMALL = 32  # pixels
STANDING = 0.003  # of a correlation: as alike is what shows the same frame
BORDER = 6.0  # levels that a black or plain border deviates by at most
_TURNS = (
    None,
    Image.Transpose.FLIP_LEFT_RIGHT,
    Image.Transpose.FLIP_TOP_BOTTOM,
    Image.Transpose.ROTATE_90,
    Image.Transpose.ROTATE_180,
    Image.Transpose.ROTATE_270,
    Image.Transpose.TRANSPOSE,
    Image.Transpose.TRANSVERSE,
)


@dataclass(frozen=True)
class FrameLook:
    """A place to look at: a part, by its number, and the times of both videos there.

    The sample's may be off by so many seconds as lie ``within``.
    """

    part: int
    query_s: float
    sample_s: float
    within: float


def chosen_looks(
    query: Track, sample: Track, segments: Sequence[Passage], count: int = CHECKED
) -> list[FrameLook]:
    """Return where to look at both videos: at the most alike pair of each share of each part.

    Longer parts are looked at more often, the longest ``count`` at least once.
    """
    looks = []
    seconds = np.array([one.seconds for one in segments[:count]]) + 1e-9
    shares = np.maximum(1, np.floor(count * seconds / seconds.sum())).astype(int)
    within = max(STEPS[-1] * FRAME, OFF_BY * min(query.spacing, sample.spacing))
    still = min(query.duration, sample.duration) <= 0
    for number, (segment, share) in enumerate(zip(segments, shares, strict=False)):
        pairs = np.array(segment.pairs)
        for mine in np.array_split(pairs, min(share, len(pairs))):
            alike = (query.vectors[mine[:, 0]] * sample.vectors[mine[:, 1]]).sum(axis=1)
            here, there = mine[int(np.argmax(alike))]
            time_s = float(query.times[here])
            there_s = float(sample.times[there]) if still else segment.there(time_s)
            looks.append(FrameLook(number, time_s, there_s, within))
    return looks


def look(
    query: Frames, sample: Frames, looks: Sequence[FrameLook], *, exchanged: bool = False
) -> tuple[CheckedFrame, ...]:
    """Compare frames of two files, shown at about these times, by their pixels.

    Of the sample's frames around a time the one that looks most like the query's is taken. Empty
    where a file is not there any more as it was. Where ``exchanged`` it is said what became of the
    sample in the query.
    """
    if not looks:
        return ()
    nearest = _nearest(query, sample, looks)
    first = in_any_order(query, [one.query_s for one in looks], at_least=NEEDED_SIDE)
    second = None if nearest is None else in_any_order(sample, nearest, at_least=NEEDED_SIDE)
    if first is None or second is None or nearest is None:
        return ()
    both = zip(looks, nearest, first, second, strict=True)
    if exchanged:
        return tuple(
            _checked(one.part, (there_s, there), (one.query_s, here))
            for one, there_s, here, there in both
        )
    return tuple(
        _checked(one.part, (one.query_s, here), (there_s, there))
        for one, there_s, here, there in both
    )


def _checked(
    part: int, query: tuple[float, DecodedImage], sample: tuple[float, DecodedImage]
) -> CheckedFrame:
    (query_s, here), (sample_s, there) = query, sample
    blank = any(structure(each.image) < ASSESSABLE for each in (here, there))
    found = None if blank else compare_decoded(here, there).comparison
    return CheckedFrame(
        part=part,
        query_s=query_s,
        sample_s=sample_s,
        verdict=Verdict.NOT_ASSESSABLE if found is None else found.verdict,
        score=None if found is None else found.score,
        match=None if found is None else found.match,
    )


def _nearest(query: Frames, sample: Frames, looks: Sequence[FrameLook]) -> list[float] | None:
    """Return when the sample looks most like the query does at each place, as seen small."""
    first = in_any_order(query, [one.query_s for one in looks], at_least=2 * SMALL)
    nearest = [one.sample_s for one in looks]
    step = max(one.within for one in looks) / STEPS[-1]
    while first is not None:
        around = np.maximum(0, np.array(nearest)[:, None] + step * STEPS)
        second = in_any_order(sample, around.ravel().tolist(), at_least=2 * SMALL)
        if second is None:
            return None
        for place, frame in enumerate(first):
            likeness = _likeness(frame, second[place * len(STEPS) : (place + 1) * len(STEPS)])
            best = np.flatnonzero(likeness >= likeness.max() - STANDING)
            if 2 * len(best) <= len(STEPS):  # else it stands still, and tells no time
                nearest[place] = float(np.median(around[place, best]))
        if step <= FRAME:
            return nearest
        step = max(FRAME, step / STEPS[-1])
    return None


def _likeness(frame: DecodedImage, others: Sequence[DecodedImage]) -> Float32:
    """Return the correlation (n,) of a frame with others, seen small and grey.

    The frame may be turned or mirrored in them, and either may have borders.
    """
    first = [_small(frame.image, trimmed=one) for one in (False, True)]
    turned = [one if turn is None else one.transpose(turn) for one in first for turn in _TURNS]
    here = _evened(turned)
    found = [
        here @ _evened([_small(one.image, trimmed=trimmed) for one in others]).T
        for trimmed in (False, True)
    ]
    best = np.concatenate(found)
    return np.asarray(best[int(np.argmax(best.max(axis=1)))])


def _small(image: Image.Image, *, trimmed: bool) -> Image.Image:
    grey = image.convert("L")
    box = _inside_borders(np.asarray(grey, dtype=np.float32)) if trimmed else None
    return grey.resize((SMALL, SMALL), Image.Resampling.BOX, box=box)


def _inside_borders(grey: Float32) -> tuple[int, int, int, int] | None:
    """Return the box of a picture without plain borders, None where nothing else is there."""
    rows = np.flatnonzero(grey.std(axis=1) > BORDER)
    columns = np.flatnonzero(grey.std(axis=0) > BORDER)
    if not len(rows) or not len(columns):
        return None
    return int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1


def _evened(images: Sequence[Image.Image]) -> Float32:
    """Return pictures as rows (n, SMALL²) without mean, of unit length where they are not flat."""
    rows = np.stack([np.asarray(one, dtype=np.float32).ravel() for one in images])
    rows -= rows.mean(axis=1, keepdims=True)
    return np.asarray(rows / (np.linalg.norm(rows, axis=1, keepdims=True) + SMALL))


def verdict_of(checked: Sequence[CheckedFrame]) -> Verdict | None:
    """Return what the compared frames say together, None where they are no copies."""
    copies = [one for one in checked if one.verdict in COPIES]
    if not copies:
        blank = checked and all(one.verdict is Verdict.NOT_ASSESSABLE for one in checked)
        return Verdict.NOT_ASSESSABLE if blank else None
    altered = sum(one.verdict is Verdict.ALTERED_COPY for one in copies)
    return Verdict.ALTERED_COPY if 2 * altered >= len(copies) else Verdict.COPY
