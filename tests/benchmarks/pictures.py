"""Photographs of the sample corpus, and a picture whose colours tell each pixel's place."""

from pathlib import Path

import numpy as np
from PIL import Image

from tests.checkout import DATA


def photographs(count: int) -> list[Path]:
    """Return some photographs, from all classes."""
    every = sorted((DATA / "photos").glob("*/*.jpg"))
    return every[:: len(every) // count][:count]


def opened(path: Path) -> Image.Image:
    with Image.open(path) as image:
        return image.convert("RGB")


def map_of_itself(width: int, height: int) -> Image.Image:
    """Red grows from left to right, green from top to bottom."""
    pixels = np.full((height, width, 3), 128, dtype=np.uint8)
    pixels[..., 0] = np.linspace(0, 255, width)[None, :]
    pixels[..., 1] = np.linspace(0, 255, height)[:, None]
    return Image.fromarray(pixels)
