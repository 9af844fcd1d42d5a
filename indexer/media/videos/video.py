"""What every video offers: a film that PyAV opens, an animation, or a folder of frames.

Times are seconds since its first frame is shown; the frame at a time is the one that a player
shows then.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from PIL import Image


@dataclass(frozen=True)
class Shown:
    """A frame as a player shows it: RGB, upright, and since when, in seconds."""

    time_s: float
    image: Image.Image


class Video(Protocol):
    """An open video; ``duration`` in seconds, ``width`` and ``height`` as it is shown.

    ``starts`` are the times of all frames, or empty where nobody has counted them.
    """

    width: int
    height: int
    duration: float
    format: str

    @property
    def starts(self) -> Sequence[float]:
        """See above."""

    def at(self, times: Sequence[float], at_least: int | None) -> Iterator[Shown]:
        """Yield the frame shown at each of rising ``times``, its shorter side ``at_least`` or more.

        Raise MediaError where no frame at all can be decoded.
        """

    def every(self, at_least: int | None) -> Iterator[Shown]:
        """Yield all frames in the order they are shown."""

    def close(self) -> None:
        """Let go of the file."""
