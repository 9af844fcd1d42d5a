"""Whether two whole pictures are the same at a glance, for those too smooth for local features."""

from __future__ import annotations

import cv2
import numpy as np

from indexer.types import Float32, UInt8
from search.verification.transforms import Matrix

SIDE = 32
ALIKE = 0.93  # correlation of what a slow gradient leaves
STRUCTURE = 5.0  # levels of deviation that must be left


def whole_picture(first: UInt8, second: UInt8) -> Matrix | None:
    """Return the turn or reflection that makes the first (h, w, 3) look like the second, or None.

    Slow gradients are taken out beforehand: they are alike in many pictures.
    """
    here, there = _small(first), _small(second)
    if min(here.std(), there.std()) < STRUCTURE:
        return None
    turns = _turns()
    likeness = [
        float(np.corrcoef(_turned(here, turn).ravel(), there.ravel())[0, 1]) for turn in turns
    ]
    best = int(np.argmax(likeness))
    if likeness[best] < ALIKE:
        return None
    return _between(turns[best], first, second)


def _small(image: UInt8) -> Float32:
    """Return luminance (32, 32) without its best fitting quadratic surface."""
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    small = cv2.resize(grey, (SIDE, SIDE), interpolation=cv2.INTER_AREA).astype(np.float32)
    y, x = np.mgrid[-1 : 1 : SIDE * 1j, -1 : 1 : SIDE * 1j].reshape(2, -1)
    surface = np.column_stack([np.ones_like(x), x, y, x * x, y * y, x * y])
    fitted = surface @ np.linalg.lstsq(surface, small.ravel(), rcond=None)[0]
    return np.asarray(small - fitted.reshape(SIDE, SIDE), dtype=np.float32)


def _turns() -> list[Matrix]:
    """Return the eight ways to turn and reflect the square -1..1."""
    quarter = np.array([[0.0, -1.0], [1.0, 0.0]])
    turns = [np.linalg.matrix_power(quarter, times) for times in range(4)]
    return turns + [turn @ np.diag([-1.0, 1.0]) for turn in turns]


def _turned(small: Float32, turn: Matrix) -> Float32:
    """Move each cell to where the turn takes it."""
    centres = np.stack(tuple(np.mgrid[0:SIDE, 0:SIDE])[::-1], axis=2) - (SIDE - 1) / 2
    x, y = np.rint(np.moveaxis(centres @ turn + (SIDE - 1) / 2, 2, 0)).astype(np.int64)
    return np.asarray(small[y, x], dtype=np.float32)


def _between(turn: Matrix, first: UInt8, second: UInt8) -> Matrix:
    """Return the transform of pixels that lays the whole of one on the whole of the other."""
    unit = _to_square(first)
    middle = np.eye(3)
    middle[:2, :2] = turn
    return np.asarray(np.linalg.inv(_to_square(second)) @ middle @ unit, dtype=np.float64)


def _to_square(image: UInt8) -> Matrix:
    height, width = image.shape[:2]
    return np.array([[2 / width, 0, -1], [0, 2 / height, -1], [0, 0, 1.0]])
