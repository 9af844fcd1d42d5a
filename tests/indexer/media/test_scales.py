"""A picture is decoded once for all who need it at one scale, and never at another's scale."""

from __future__ import annotations

import io
from functools import cache, partial

import numpy as np
import pytest
from PIL import Image

from indexer.media.image import DecodedImage, decode_image
from indexer.media.scales import Scales
from tests.marks import mostly_slow


@cache
def encoded(size: tuple[int, int], format_: str) -> bytes:
    grain = np.random.default_rng(7).integers(0, 256, (size[1] // 8 + 1, size[0] // 8 + 1, 3))
    image = Image.fromarray(grain.astype(np.uint8)).resize(size, Image.Resampling.BICUBIC)
    buffer = io.BytesIO()
    image.save(buffer, format_, compress_level=1)
    return buffer.getvalue()


SIZES = [(500, 400), (1500, 1000), (900, 700), (1000, 1900), (3000, 2000), (5200, 4900)]


@pytest.mark.parametrize("format_", ["JPEG", "PNG"])
@pytest.mark.parametrize(("first", "second"), [(224, 300), (440, 300), (200, 300)])
@pytest.mark.parametrize(
    "size",
    mostly_slow([pytest.param(size) for size in SIZES], quick=3),
)
def test_each_user_gets_what_a_decoder_makes_for_it(
    size: tuple[int, int], first: int, second: int, format_: str
) -> None:
    data = encoded(size, format_)
    scales = Scales(partial(_decoded, data))
    for side in (first, second, first):
        alone = decode_image(data, at_least=side)
        shared = scales.at_least(side)
        assert shared.image.size == alone.image.size
        assert np.array_equal(shared.image, alone.image)


@pytest.mark.parametrize(
    ("size", "format_", "decodes"),
    [
        ((500, 400), "PNG", 1),
        ((800, 640), "JPEG", 1),  # neither reduces it
        ((1500, 1000), "JPEG", 2),  # half of it is enough for 224, not for 300
        ((1500, 1300), "JPEG", 1),  # half of it is enough for both
        ((3000, 2500), "JPEG", 1),  # a quarter is
    ],
)
def test_what_two_need_at_one_scale_is_decoded_once(
    size: tuple[int, int], format_: str, decodes: int
) -> None:
    data, asked = encoded(size, format_), []

    def decode(at_least: int) -> DecodedImage:
        asked.append(at_least)
        return decode_image(data, at_least=at_least)

    scales = Scales(decode)
    for side in (224, 300, 224, 300):
        scales.at_least(side)
    assert len(asked) == decodes


def _decoded(data: bytes, at_least: int) -> DecodedImage:
    return decode_image(data, at_least=at_least)
