"""Small pictures for tests, made from a seed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image


def picture(seed: int, size: tuple[int, int] = (48, 40)) -> Image.Image:
    """Return a picture of four random colours with noise, so that no two seeds look alike."""
    rng = np.random.default_rng(seed)
    corners = rng.integers(0, 256, size=(2, 2, 3)).astype(np.uint8)
    base = np.asarray(Image.fromarray(corners).resize(size, Image.Resampling.NEAREST), np.int16)
    noisy = np.clip(base + rng.integers(-20, 21, size=base.shape), 0, 255).astype(np.uint8)
    return Image.fromarray(noisy)


def corpus(folder: Path, count: int, first_seed: int = 0) -> list[Path]:
    """Write ``count`` different PNG files into ``folder`` and return their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"{number:05d}.png" for number in range(count)]
    for number, path in enumerate(paths):
        picture(first_seed + number).save(path, compress_level=1)
    return paths
