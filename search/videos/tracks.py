"""A video as a track of frames: when each is shown, what it stands for, whether it is blank."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from indexer.structure import ASSESSABLE
from indexer.types import Float32, Int64, Span

MOST_FRAMES = 4000  # of a track, with those that were thinned
ALONE = 12  # frames that the only one comes as: nothing else was seen
STEP = 0.05  # seconds between the offsets that are tried

Float64 = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Track:
    """A video as n frames: ``times`` (n,) rising, the parts they stand for, unit ``vectors``.

    ``structure`` (n,) is how much there is in each, NaN where nobody looked.
    """

    times: Float64
    starts: Float64
    ends: Float64
    vectors: Float32
    structure: Float64

    @classmethod
    def of(
        cls,
        spans: Sequence[Span],
        vectors: Float32,
        structure: Sequence[float | None] | None = None,
    ) -> tuple[Track, Int64]:
        """Return a track of kept frames, and which of them (n,) each of its frames is.

        A frame that stands for more than the others, because what followed showed the same, comes
        several times.
        """
        part = min(one.until_s - one.from_s for one in spans)
        if len(spans) == 1:
            part /= ALONE
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
        measured = np.array(structure or [None] * len(spans), dtype=np.float64)
        track = cls(
            np.array(times), np.array(starts), np.array(ends), vectors[owner], measured[owner]
        )
        return track, owner

    def __post_init__(self) -> None:
        n = len(self.times)
        shapes = {self.starts.shape, self.ends.shape, self.structure.shape}
        if not n or shapes != {(n,)}:
            raise ValueError(f"a track: {n} times for parts and structure of {shapes}")
        if self.vectors.ndim != 2 or len(self.vectors) != n or (np.diff(self.times) <= 0).any():
            raise ValueError(f"a track: {n} rising times for vectors {self.vectors.shape}")

    def __len__(self) -> int:
        return len(self.times)

    @property
    def duration(self) -> float:
        """How many seconds the video has, 0 of a picture."""
        return float(self.ends[-1])

    @property
    def spacing(self) -> float:
        """How many seconds a frame stands for."""
        return max(STEP, self.duration / len(self))

    @property
    def assessable(self) -> Bools:
        """Which frames (n,) are not known to be blank."""
        return ~(self.structure < ASSESSABLE)

    @cached_property
    def reversed(self) -> Track:
        """The video played backwards."""
        end = self.duration
        return Track(
            (end - self.times)[::-1],
            (end - self.ends)[::-1],
            (end - self.starts)[::-1],
            self.vectors[::-1],
            self.structure[::-1],
        )
