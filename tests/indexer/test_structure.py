from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image, ImageDraw

from indexer.structure import ASSESSABLE, structure


def noisy(level: float, deviation: float, size: tuple[int, int] = (640, 360)) -> Image.Image:
    values = np.random.default_rng(1).normal(level, deviation, (*size[::-1], 3))
    return Image.fromarray(np.clip(values, 0, 255).astype(np.uint8))


def compressed(image: Image.Image, quality: int = 30) -> Image.Image:
    stream = io.BytesIO()
    image.save(stream, "JPEG", quality=quality)
    return Image.open(stream)


@pytest.mark.parametrize(
    "blank",
    [
        Image.new("RGB", (400, 300), "white"),
        Image.new("L", (50, 2000), 0),
        Image.new("RGB", (400, 300), (12, 90, 200)),
        noisy(8, 6),
        compressed(noisy(8, 6)),
        compressed(noisy(250, 10)),
        Image.linear_gradient("L").resize((640, 480)),
    ],
)
def test_what_has_nothing_in_it_is_blank(blank: Image.Image) -> None:
    assert structure(blank) < ASSESSABLE


def drawn(background: str, *, box: tuple[int, int, int, int], fill: str) -> Image.Image:
    image = Image.new("RGB", (640, 480), background)
    ImageDraw.Draw(image).rectangle(box, fill=fill)
    return image


@pytest.mark.parametrize(
    "picture",
    [
        drawn("white", box=(20, 20, 40, 36), fill="black"),
        drawn("#004000", box=(300, 200, 400, 300), fill="#200000"),
        noisy(128, 25, (8, 8)).resize((640, 480)),
    ],
)
def test_what_has_something_in_it_is_not(picture: Image.Image) -> None:
    assert structure(picture) > ASSESSABLE


def test_structure_is_the_deviation_of_what_a_surface_leaves() -> None:
    """A checkerboard of two levels, 100 apart, deviates by 50, whatever gradient lies under it."""
    y, x = np.mgrid[0:32, 0:32]
    board = 100.0 * ((x // 4 + y // 4) % 2)
    values = 20 + board + 2 * x
    image = Image.fromarray(np.repeat(values[..., None], 3, axis=2).astype(np.uint8))
    assert structure(image.resize((320, 320), Image.Resampling.NEAREST)) == pytest.approx(50, abs=1)
