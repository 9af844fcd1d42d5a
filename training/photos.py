"""Read photographs once, as small pyramids from which any view can be cut quickly."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from training.generated import generate

Picture = NDArray[np.uint8]
Pyramid = tuple[Picture, ...]
SHORT_SIDE = 288
LONGEST = 2 * SHORT_SIDE
SMALLEST = 40
SUFFIXES = {".jpg", ".jpeg", ".png", ".webp"}


def pyramid(picture: Picture, short: int = SHORT_SIDE) -> Pyramid:
    """Scale to this short side and halve down to ``SMALLEST``: (h, w, 3) uint8, largest first."""
    factor = min(1.0, short / min(picture.shape[:2]))
    level = picture[: LONGEST * 4, : LONGEST * 4]
    if factor < 1:
        level = cv2.resize(level, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA)
    levels = [np.ascontiguousarray(level[:LONGEST, :LONGEST])]
    while min(levels[-1].shape[:2]) >= 2 * SMALLEST:
        height, width = levels[-1].shape[:2]
        half = cv2.resize(levels[-1], (width // 2, height // 2), interpolation=cv2.INTER_AREA)
        levels.append(np.asarray(half, np.uint8))
    return tuple(levels)


def photo_paths(folder: Path) -> list[Path]:
    """List the pictures below a folder, sorted by path."""
    return sorted(path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES)


def read_rgb(path: Path) -> Picture:
    """Decode one picture as (h, w, 3) uint8, red first."""
    picture = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if picture is None:
        raise ValueError(f"expected a picture OpenCV can read, got {path}: remove it or convert it")
    return np.asarray(cv2.cvtColor(picture, cv2.COLOR_BGR2RGB), np.uint8)


def read_photos(folder: Path) -> list[Pyramid]:
    """Read every photograph below a folder, in the order of ``photo_paths``."""
    found = [pyramid(read_rgb(path)) for path in photo_paths(folder)]
    if not found:
        raise ValueError(f"expected photographs ({', '.join(sorted(SUFFIXES))}) below {folder}")
    return found


def draw_pictures(count: int, seed: int) -> Iterator[Pyramid]:
    """Generate this many pictures, the same ones for the same seed."""
    for number in range(count):
        yield pyramid(generate(np.random.default_rng((seed, number))))


def order_of(step: int, batch: int, total: int, seed: int) -> Sequence[int]:
    """Name the pictures of one step: every epoch is a new permutation that depends on the seed."""
    epoch, place = divmod(step * batch, total)
    ahead = [
        np.random.default_rng((seed, epoch + later)).permutation(total)
        for later in range(-(-(place + batch) // total))
    ]
    return [int(index) for index in np.concatenate(ahead)[place : place + batch]]
