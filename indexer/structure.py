"""How much there is in a picture that could tell it from another one."""

from __future__ import annotations

import numpy as np
from PIL import Image

SIDE = 32  # pixels: what is finer is noise, or too little to tell two pictures apart by
ASSESSABLE = 1.5  # levels of 255: what a compressed or noisy blank stays below


def structure(image: Image.Image) -> float:
    """Return the deviation, in levels of 255, that a smooth surface leaves in a small version.

    Below `ASSESSABLE` a picture is blank: white, black, a flat colour, a slow gradient, with noise
    or without. Every such picture looks like every other one, so nothing but its bytes says
    anything of it.
    """
    small = image.convert("RGB").resize((SIDE, SIDE), Image.Resampling.BOX)
    values = np.asarray(small, dtype=np.float64).reshape(-1, 3)
    left = values - _SURFACE @ (_SURFACE.T @ values)
    return float(np.sqrt((left**2).mean(axis=0).max()))


def _smooth_surfaces() -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    """Return an orthonormal basis (SIDE², 6) of quadratic surfaces."""
    y, x = np.mgrid[-1 : 1 : SIDE * 1j, -1 : 1 : SIDE * 1j].reshape(2, -1)
    terms = np.column_stack([np.ones_like(x), x, y, x * x, y * y, x * y])
    return np.linalg.qr(terms)[0]


_SURFACE = _smooth_surfaces()
