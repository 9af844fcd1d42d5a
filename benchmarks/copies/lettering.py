"""Lines of made-up text, drawn: what captions and screens in the attacks are made of."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw, ImageFont

RGB = tuple[int, int, int]

WORDS = ("breaking", "leaked", "original", "photo", "share", "this", "before", "they", "delete")


def tint(rng: np.random.Generator) -> RGB:
    """Return a colour that is neither very dark nor very bright."""
    red, green, blue = rng.integers(60, 220, size=3)
    return int(red), int(green), int(blue)


def words(count: int, rng: np.random.Generator) -> str:
    """Return some words in a row."""
    return " ".join(rng.choice(WORDS, size=count))


def font(size: float) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """Return Pillow's own font at this size in pixels."""
    return ImageFont.load_default(max(4, size))


def text_block(
    size: tuple[int, int], lines: int, ground: RGB, ink: RGB, rng: np.random.Generator
) -> Image.Image:
    """Return a block of text lines that fill its height."""
    block = Image.new("RGB", size, ground)
    draw = ImageDraw.Draw(block)
    step = size[1] / lines
    for line in range(lines):
        text = words(int(rng.integers(4, 8)), rng)
        draw.text((size[0] * 0.03, line * step), text, fill=ink, font=font(step * 0.7))
    return block
