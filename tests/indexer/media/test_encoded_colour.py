"""Colours that a PNG's chunks tell, against the formulas of their standards."""

from __future__ import annotations

import io
import zlib

import imagecodecs
import numpy as np
import pytest
from PIL import Image

from indexer.media.image import decode_image
from tests.heif import heic

SRGB = (31270, 32900, 64000, 33000, 30000, 60000, 15000, 6000)
P3 = (31270, 32900, 68000, 32000, 26500, 69000, 15000, 6000)
# Display P3's red, green and blue as linear light of sRGB (from the primaries of both).
P3_TO_SRGB = np.array([[1.2249, -0.2247, 0.0], [-0.0420, 1.0419, 0.0], [-0.0197, -0.0786, 1.0979]])


def scene() -> np.ndarray:
    y, x = np.mgrid[0:1:40j, 0:1:50j]
    return np.stack([x, y, (np.sin(6 * x) + 1) / 2], axis=-1)


def to_light(code: np.ndarray) -> np.ndarray:
    return np.where(code <= 0.04045, code / 12.92, ((code + 0.055) / 1.055) ** 2.4)


def to_code(light: np.ndarray) -> np.ndarray:
    light = np.clip(light, 0, 1)
    return np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)


def png(values: np.ndarray, **chunks: bytes) -> bytes:
    """Write a PNG of 0..1 in 8 or 16 bits, with chunks before its pixels."""
    data = bytes(imagecodecs.png_encode(values))
    more = b"".join(
        len(body).to_bytes(4, "big")
        + name.encode()
        + body
        + zlib.crc32(name.encode() + body).to_bytes(4, "big")
        for name, body in chunks.items()
    )
    return data[:33] + more + data[33:]


def levels(values: np.ndarray, dtype: type) -> np.ndarray:
    return np.rint(values * np.iinfo(dtype).max).astype(dtype)


def shown(data: bytes) -> np.ndarray:
    return np.asarray(decode_image(data).image).astype(np.float64)


def four(*numbers: int) -> bytes:
    return b"".join(number.to_bytes(4, "big") for number in numbers)


@pytest.mark.parametrize(("dtype", "worst"), [(np.uint8, 13), (np.uint16, 1)])
@pytest.mark.parametrize("channels", [1, 3])
def test_linear_light_is_encoded(dtype: type, worst: int, channels: int) -> None:
    code = scene()[..., :channels]
    values = levels(to_light(code), dtype)
    data = png(values if channels == 3 else values[..., 0], gAMA=four(100_000))
    # Eight bits of linear light have a step of 13 levels at the dark end.
    assert np.abs(shown(data) - 255 * code).max() <= worst


def test_the_gamma_of_old_screens_of_apple() -> None:
    code = scene()
    values = levels(to_light(code) ** (1 / 1.8), np.uint16)
    assert np.abs(shown(png(values, gAMA=four(55_556))) - 255 * code).max() <= 1


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_wide_chromaticities_are_narrowed(dtype: type) -> None:
    code = scene()
    expected = 255 * to_code(to_light(code) @ P3_TO_SRGB.T)
    by_cicp = shown(png(levels(code, dtype), cICP=bytes((12, 13, 0, 1))))
    assert np.abs(by_cicp - expected).mean() <= 1.5
    linear = shown(png(levels(to_light(code), np.uint16), gAMA=four(100_000), cHRM=four(*P3)))
    assert np.abs(linear - expected).max() <= 2


@pytest.mark.parametrize(
    "chunks",
    [
        {"gAMA": four(45_455)},
        {"gAMA": four(45_455), "cHRM": four(*SRGB)},
        {"sRGB": b"\0", "gAMA": four(100_000)},
        {"cICP": bytes((1, 13, 0, 1)), "gAMA": four(100_000)},
        {"gAMA": four(0)},
        {"gAMA": four(45_455), "cHRM": four(31270, 0, 1, 0, 0, 0, 0, 0)},
        {"cHRM": four(31270, 32900, 1, 1, 1, 1, 1, 1)},
    ],
)
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_what_says_nothing_changes_nothing(chunks: dict[str, bytes], dtype: type) -> None:
    data = png(levels(scene(), dtype), **chunks)
    assert np.abs(shown(data) - 255 * scene()).max() <= 1


@pytest.mark.parametrize("transfer", [16, 18])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_high_dynamic_range_is_tone_mapped(transfer: int, dtype: type) -> None:
    """Grey of BT.2100 whose light is a film's: what is far below white stays as it is."""
    code = np.broadcast_to(np.linspace(0.1, 0.5, 64)[None, :, None], (40, 64, 3))
    light = to_light(code)  # 1 is the white of 203 cd/m2
    if transfer == 16:
        power = (203 * light / 10_000) ** 0.1593017578125
        coded = ((0.8359375 + 18.8515625 * power) / (1 + 18.6875 * power)) ** 78.84375
    else:
        scene_light = (203 * light / 1000) ** (1 / 1.2)
        a, b, c = 0.17883277, 0.28466892, 0.55991073
        high = a * np.log(np.maximum(12 * scene_light - b, 1e-9)) + c
        coded = np.where(scene_light <= 1 / 12, np.sqrt(3 * scene_light), high)
    got = shown(png(levels(coded, dtype), cICP=bytes((9, transfer, 0, 1))))
    assert np.abs(got - 255 * code).max() <= 4


def test_narrow_range_is_widened() -> None:
    narrow = (16 + 219 * scene()) / 255
    for cicp in ((1, 1, 0, 0), (1, 13, 0, 0)):
        got = shown(png(levels(narrow, np.uint16), cICP=bytes(cicp)))
        assert np.abs(got - 255 * scene()).max() <= 1


def test_a_heif_of_high_dynamic_range_is_shown_as_the_png_of_the_same_codes() -> None:
    values = levels(np.repeat(np.repeat(scene(), 4, axis=0), 4, axis=1), np.uint8)
    expected = shown(png(values, cICP=bytes((9, 16, 0, 1))))
    got = shown(heic([Image.fromarray(values)], cicp=(9, 16)))
    assert np.abs(got - expected).mean() < 4
    assert np.abs(got - values).mean() > 10


def test_alpha_stays_beside_told_colours() -> None:
    code = scene()
    alpha = np.ones((40, 50, 1))
    alpha[:10] = 0
    values = levels(np.concatenate([to_light(code), alpha], axis=2), np.uint16)
    got = shown(png(values, gAMA=four(100_000)))
    assert np.abs(got[10:] - 255 * code[10:]).max() <= 1
    assert np.all(got[:10] == got[0, 0])


def test_pillow_reads_what_these_tests_write() -> None:
    values = levels(scene(), np.uint8)
    with Image.open(io.BytesIO(png(values, gAMA=four(100_000)))) as image:
        assert image.info["gamma"] == 1.0
        assert np.array_equal(np.asarray(image), values)
