"""Transparent pictures are laid on a ground on which their content shows."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image, ImageDraw

from indexer.media.background import BLACK, GREY, WHITE
from indexer.media.files import Limits
from indexer.media.image import decode_image
from indexer.media.videos.frames import Sampling, sampled
from indexer.media.videos.stills import Animation
from tests.checkout import needs_shared, shared_data

CLEAR = (0, 0, 0, 0)


def logo(*colours: str, size: int = 200, text: str = "dfindex") -> Image.Image:
    """Draw words and rings, one below the other, each in a colour of its own."""
    image = Image.new("RGBA", (size, size), CLEAR)
    draw = ImageDraw.Draw(image)
    step = size // len(colours)
    for number, colour in enumerate(colours):
        top = number * step
        draw.text((size // 4, top + step // 4), text, fill=colour, font_size=step // 3)
        draw.ellipse((4, top + 4, size // 5, top + step - 4), outline=colour, width=3)
    return image


def encoded(image: Image.Image, format_: str = "PNG", **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, format_, **options)
    return buffer.getvalue()


def corner(data: bytes, at_least: int | None = None) -> tuple[int, ...]:
    image = decode_image(data, at_least=at_least).image
    return tuple(image.getpixel((image.width - 1, image.height - 1)))


@needs_shared
def test_the_white_logos_of_the_cases_are_seen_and_differ() -> None:
    folder = shared_data / "cases"
    images = [decode_image((folder / f"logo_white_{one}.png").read_bytes()).image for one in "ab"]
    a, b = (np.asarray(image.convert("L")).astype(np.int16) for image in images)
    for levels in (a, b):
        assert np.mean(np.abs(levels - levels[0, 0]) > 100) > 0.01
    assert np.mean(np.abs(a - b) > 100) > 0.01


@pytest.mark.parametrize(
    ("colours", "ground"),
    [
        (("#ffffff",), BLACK),
        (("#f4f4f4",), BLACK),
        (("#fffff0",), BLACK),
        (("#ffffff80",), BLACK),
        (("#000000",), WHITE),
        (("#204080",), WHITE),
        (("#ff0000",), WHITE),
        (("#ffffff", "#ff0000"), BLACK),
        (("#ffffff", "#000000"), GREY),
    ],
)
@pytest.mark.parametrize("format_", ["PNG", "WEBP", "TIFF", "AVIF"])
def test_the_ground_is_one_on_which_the_content_shows(
    colours: tuple[str, ...], ground: tuple[int, int, int], format_: str
) -> None:
    options = {"lossless": True} if format_ == "WEBP" else {}
    data = encoded(logo(*colours), format_, **options)
    assert np.abs(np.subtract(corner(data), ground)).max() <= 3
    shown = decode_image(data).image
    for number in range(len(colours)):  # each part is seen
        step = 200 // len(colours)
        part = np.asarray(shown.crop((0, number * step, 200, (number + 1) * step)))
        assert np.mean(np.abs(part.astype(np.int16) - ground).max(axis=2) > 40) > 0.01


def test_a_grey_picture_with_alpha_has_a_ground_too() -> None:
    image = logo("#ffffff").convert("LA")
    assert corner(encoded(image)) == BLACK
    assert corner(encoded(logo("#000000").convert("LA"))) == WHITE
    palette = logo("#ffffff").quantize(8)
    assert corner(encoded(palette)) == BLACK


def test_nothing_opaque_is_white() -> None:
    assert (
        decode_image(encoded(Image.new("RGBA", (30, 20), CLEAR))).image.getextrema()
        == ((255, 255),) * 3
    )


@pytest.mark.slow
def test_the_ground_of_a_large_picture_is_the_same_at_every_scale() -> None:
    image = Image.new("RGBA", (6000, 5000), CLEAR)
    image.paste(logo("#ffffff", "#ff0000", size=700), (4000, 4000))
    data = encoded(image, compress_level=1)
    for at_least in (None, 1000, 300, 20):
        assert corner(data, at_least) == BLACK, at_least


def test_all_frames_of_an_animation_have_one_ground() -> None:
    frames = [logo("#000000"), logo("#ffffff"), logo("#ffffff", text="other"), logo("#ffffff")]
    for format_ in ("WEBP", "PNG", "GIF"):
        options = {"save_all": True, "append_images": frames[1:], "duration": 200, "disposal": 2}
        if format_ == "WEBP":
            options = {**options, "lossless": True}
            del options["disposal"]
        video = Animation(encoded(frames[0], format_, **options), Limits())
        grounds = {one.image.getpixel((199, 199)) for one in sampled(video, Sampling())}
        assert grounds == {GREY}, format_  # all are seen on it
