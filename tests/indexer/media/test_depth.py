"""Deep samples show what their 8-bit version shows: made by NumPy, read back from files."""

from __future__ import annotations

import io
from pathlib import Path

import imagecodecs
import numpy as np
import pytest
import tifffile
from PIL import Image

from indexer.media.depth import Deep
from indexer.media.image import decode_image
from tests.checkout import needs_shared, shared_data

CASES = shared_data / "cases"
GREY = (
    *("grey16_sbit12.png", "t_grey16_12in16.tif", "grey16_8bit_in16.png", "t_u32.tif"),
    *("t_grey16_miniswhite.tif", "t_grey16_miniswhite_be.tif", "t_float32_hot.tif"),
)


def scene(channels: int = 3, seed: int = 0) -> np.ndarray:
    """Return levels (60, 80, channels) of a smooth scene from black to white, with noise."""
    y, x = np.mgrid[0:1:60j, 0:1:80j]
    noise = np.random.default_rng(seed).normal(0, 6, (60, 80, channels))
    waves = [np.sin(7 * x + 2 * k) * np.cos(5 * y - k) for k in range(channels)]
    levels = np.clip(128 + 150 * np.stack(waves, axis=-1) + noise, 0, 255)
    levels[0, 0], levels[0, 1] = 0, 255
    return levels.round()


def shown(data: bytes) -> np.ndarray:
    return np.asarray(decode_image(data).image).astype(np.int16)


def tiff(values: np.ndarray, **options: object) -> bytes:
    buffer = io.BytesIO()
    tifffile.imwrite(buffer, values, **options)
    return buffer.getvalue()


def differs(data: bytes, levels: np.ndarray) -> float:
    return float(np.abs(shown(data) - np.broadcast_to(levels, (60, 80, 3))).max())


@needs_shared
@pytest.mark.parametrize("name", GREY)
def test_the_deep_cases_show_the_grey_picture(name: str) -> None:
    with Image.open(CASES / "img_ref.png") as image:
        expected = np.asarray(image.convert("L").convert("RGB")).astype(np.int16)
    difference = np.abs(shown((CASES / name).read_bytes()) - expected)
    assert np.count_nonzero(difference.max(axis=2) > 1) <= 1  # the hot pixel


@needs_shared
def test_sixteen_bits_of_colour_show_the_picture_of_eight() -> None:
    expected = shown((CASES / "img_ref.png").read_bytes())
    assert np.abs(shown((CASES / "rgb16.png").read_bytes()) - expected).max() <= 1


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("bits", [8, 10, 12, 14, 16])
def test_bits_that_are_used_are_found(bits: int, channels: int) -> None:
    levels = scene(channels)
    values = np.rint(levels / 255 * ((1 << bits) - 1)).astype(np.uint16)
    plain = values if channels == 3 else values[..., 0]
    assert differs(imagecodecs.png_encode(plain), levels) <= 1
    for order in "<>":
        for photometric in ("rgb",) if channels == 3 else ("minisblack", "miniswhite"):
            given = plain if photometric != "miniswhite" else ((1 << bits) - 1) - plain
            data = tiff(given, photometric=photometric, byteorder=order)
            assert differs(data, levels) <= 1, (order, photometric)


@pytest.mark.parametrize("bits", [10, 12, 14])
def test_bits_that_a_file_states_are_believed(bits: int) -> None:
    dark = scene(1) / 8  # by its largest value it would be of fewer bits
    values = np.rint(dark / 255 * ((1 << bits) - 1)).astype(np.uint16)
    stated = tiff(values[..., 0], extratags=[(281, "H", 1, (1 << bits) - 1, True)])
    assert differs(stated, dark) <= 1
    png = imagecodecs.png_encode(values[..., 0])
    chunk = b"sBIT" + bytes([bits])
    import zlib

    sized = b"\0\0\0\1" + chunk + zlib.crc32(chunk).to_bytes(4, "big")
    assert differs(png[:33] + sized + png[33:], dark) <= 1


def test_a_largest_value_that_is_one_of_the_picture_says_nothing_of_its_bits() -> None:
    values = np.rint(scene(1) * 257).astype(np.uint16)[..., 0]
    values[values > 60000] = 60000
    data = tiff(values, extratags=[(281, "H", 1, 60000, True)])
    assert differs(data, values[..., None] / 257) <= 1


@pytest.mark.parametrize("scale", [256, 257])
def test_dark_pictures_of_eight_bits_scaled_up_stay_dark(scale: int) -> None:
    dark = np.floor(scene(3) / 9)
    values = (dark * scale).astype(np.uint16)
    assert differs(imagecodecs.png_encode(values), dark) <= 1
    assert differs(tiff(values, photometric="rgb"), dark) <= 1


@pytest.mark.parametrize("dtype", ["f2", "f4", "f8"])
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("stray", [40.0, -9999.0, 1000.0, float("nan"), float("inf")])
def test_floats_keep_their_range_whatever_strays(dtype: str, channels: int, stray: float) -> None:
    levels = scene(channels)
    values = (levels / 255).astype(dtype)
    values[30, 40:43] = stray
    plain = values if channels == 3 else values[..., 0]
    data = tiff(plain, photometric="rgb" if channels == 3 else "minisblack")
    difference = np.abs(shown(data) - levels)
    difference[30, 40:43] = 0
    assert difference.max() <= 1


@pytest.mark.parametrize("white", [255.0, 65535.0])
def test_floats_of_levels_are_levels(white: float) -> None:
    levels = scene(1)
    values = (levels * white / 255).astype(np.float32)[..., 0]
    values[3, 3] = 70 * white
    difference = np.abs(shown(tiff(values)) - levels)
    difference[3, 3] = 0
    assert difference.max() <= 1


@pytest.mark.parametrize("bits", [8, 16, 24, 32])
def test_integers_of_32_bits(bits: int) -> None:
    levels = scene(3)
    values = np.rint(levels / 255 * ((1 << bits) - 1)).astype(np.uint32)
    assert differs(tiff(values, photometric="rgb"), levels) <= 1
    assert differs(tiff(values[..., 0]), levels[..., :1]) <= 1


@pytest.mark.parametrize("planes", ["contig", "separate"])
def test_deep_alpha_and_separate_planes(planes: str) -> None:
    levels = scene(3)
    deep = (levels * 257).astype(np.uint16)
    alpha = np.full((60, 80, 1), 65535, np.uint16)
    alpha[:20] = 0
    values = np.concatenate([deep, alpha], axis=2)
    given = values if planes == "contig" else np.moveaxis(values, -1, 0)
    data = tiff(given, photometric="rgb", planarconfig=planes, extrasamples=["unassalpha"])
    got = shown(data)
    assert np.abs(got[20:] - levels[20:]).max() <= 1
    assert np.all(got[:20] == got[0, 0])  # the ground
    assert np.array_equal(shown(imagecodecs.png_encode(values)), got)


@pytest.mark.parametrize("compression", ["zlib", "lzw", "zstd", "lzma", "jpegxr", "lerc"])
def test_compressions_that_pillow_does_not_know(compression: str) -> None:
    levels = scene(3)
    data = tiff(levels.astype(np.uint8), photometric="rgb", compression=compression)
    assert differs(data, levels) <= 1


def test_samples_of_odd_numbers_of_bits() -> None:
    levels = scene(1)
    values = np.rint(levels / 255 * 4095).astype(np.uint16)[..., 0]
    bits = np.unpackbits(values.astype(">u2").view(np.uint8), axis=1).reshape(len(values), -1, 16)
    rows = np.packbits(bits[..., 4:].reshape(len(values), -1), axis=1).tobytes()
    # The same file with its data packed to 12 bits, as scanners write it.
    plain = tiff(values, rowsperstrip=60)
    with tifffile.TiffFile(io.BytesIO(plain)) as file:
        page = file.pages[0]
        start = page.dataoffsets[0]
        tags = {one: page.tags[one].valueoffset for one in (258, 279)}
    packed = bytearray(plain[:start] + rows)
    packed[tags[258] : tags[258] + 2] = (12).to_bytes(2, "little")
    packed[tags[279] : tags[279] + 4] = len(rows).to_bytes(4, "little")
    assert differs(bytes(packed), levels) <= 1


def test_a_cut_deep_picture_is_truncated(tmp_path: Path) -> None:
    from indexer.errors import MediaError

    values = (scene(3) * 257).astype(np.uint16)
    for data in (
        tiff(values, photometric="rgb"),
        tiff(values, photometric="rgb", compression="zlib"),
        bytes(imagecodecs.png_encode(values)),
    ):
        for tenth in range(1, 10):
            with pytest.raises(MediaError) as caught:
                decode_image(data[: len(data) * tenth // 10])
            assert caught.value.reason == "truncated", (tenth, caught.value)


def test_only_pictures_are_deep() -> None:
    with pytest.raises(ValueError, match="samples"):
        Deep(np.zeros((4, 4, 7), np.uint16))
