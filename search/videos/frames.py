"""The pictures a file shows at some times, wherever it lies, for those who look at pixels."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import numpy as np

from indexer.errors import MediaError
from indexer.media.files import Limits
from indexer.media.image import DecodedImage
from indexer.media.source import Media
from indexer.media.videos.frames import Sampling


class Frames(Protocol):
    """What a file shows at rising times; None where it is not there any more as it was."""

    def __call__(self, times: Sequence[float], *, at_least: int) -> list[DecodedImage] | None:
        """Return the frames, the shorter side ``at_least`` pixels if they are as large."""


def frames_at(
    path: Path, times: Sequence[float], *, at_least: int, sha256: str
) -> list[DecodedImage] | None:
    """Return the frames a file shows at rising times; of a picture the same one for all.

    None where the file is gone, cannot be read, or is another one than ``sha256`` says.
    """
    try:
        with Media(os.fsencode(path), Limits(), Sampling()) as media:
            if media.sha256 != sha256:
                return None
            return media.shown(times, at_least)
    except MediaError:
        return None


def in_any_order(
    frames: Frames, times: Sequence[float], *, at_least: int
) -> list[DecodedImage] | None:
    """Return what a file shows at times in any order; None as `Frames` does."""
    order = np.argsort(times, kind="stable").tolist()
    shown = frames([max(0.0, times[at]) for at in order], at_least=at_least)
    if shown is None:
        return None
    by_place = dict(zip(order, shown, strict=True))
    return [by_place[at] for at in range(len(times))]
