import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageCms

from indexer.media.image import decode_image
from tests.checkout import needs_shared, shared_data
from tests.indexer.media.icc import grey_ink_profile, swapped_rgb_profile


def decoded(image: Image.Image, format_: str, **options: object) -> np.ndarray:
    buffer = io.BytesIO()
    image.save(buffer, format_, **options)
    return np.asarray(decode_image(buffer.getvalue()).image).astype(np.int16)


def grey(values: list[float], dtype: str) -> Image.Image:
    return Image.fromarray(np.array([values], dtype=dtype))


# Mean difference on the picture shrunk to 224 pixels, where dither and noise even out. Modes
# without colour are compared with the grey picture. Lossless files must be equal; the others were
# compressed once more (below 1.5 of 255), P has 256 colours, and 1 is black and white dots only.
TOLERANCES = {
    "RGB.jpg": 1.5,
    "YCbCr.jpg": 1.5,
    "CMYK.jpg": 1.5,
    "HSV.webp": 1.5,
    "LAB.webp": 1.5,
    "PA.webp": 1.5,
    "RGBA.png": 0.0,
    "P.png": 1.0,
    "L.png": 0.0,
    "LA.png": 0.0,
    "I.webp": 1.0,
    "F.webp": 1.0,
    "1.png": 2.0,
}
GREY = ("L.png", "LA.png", "I.webp", "F.webp", "1.png")


@needs_shared
@pytest.mark.parametrize("name", TOLERANCES)
def test_one_picture_in_all_modes_decodes_to_itself(name: str) -> None:
    folder = shared_data / "near_dup" / "modes"
    original = decode_image((folder / "original.jpg").read_bytes()).image
    if name in GREY:
        original = original.convert("L").convert("RGB")
    shrunk = [
        np.asarray(image.resize((224, 224), Image.Resampling.BILINEAR)).astype(np.int16)
        for image in (decode_image((folder / name).read_bytes()).image, original)
    ]
    assert np.abs(shrunk[0] - shrunk[1]).mean() <= TOLERANCES[name]


def test_cmyk_of_a_tiff_and_of_adobes_inverted_jpeg_are_the_same_inks() -> None:
    inks = Image.new("CMYK", (16, 16), (0, 255, 255, 0))
    assert np.abs(decoded(inks, "TIFF") - (255, 0, 0)).max() == 0
    assert np.abs(decoded(inks, "JPEG", quality=95) - (255, 0, 0)).max() <= 6


def test_lab_is_read_as_cie_lab() -> None:
    # Under D50, L* 54.3, a* 80.8, b* 69.9 is the red of sRGB; L* is stored scaled to 255.
    data = bytes((138, 81, 70)) * 256
    red = Image.frombytes("LAB", (16, 16), data)
    assert np.abs(decoded(red, "TIFF") - (255, 0, 0)).max() <= 6


def test_sixteen_bits_keep_their_range() -> None:
    values = [0, 257, 32896, 65535]
    expected = [[[v] * 3 for v in (0, 1, 128, 255)]]
    for dtype, format_ in (("<u2", "PNG"), ("<u2", "TIFF"), (">u2", "TIFF")):
        assert np.array_equal(decoded(grey(values, dtype), format_), expected), (dtype, format_)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([0.0, 0.5, 1.0], [0, 128, 255]),
        ([0.0, 7.0, 255.0], [0, 7, 255]),
        ([0.0, 257.0, 65535.0], [0, 1, 255]),
        ([-10.0, 0.0, 10.0], [0, 128, 255]),
        ([0.0, float("nan"), 1.0], [0, 0, 255]),
        ([5.0, float("inf"), 0.5], [255, 255, 26]),
        ([-3.0, -3.0, -3.0], [0, 0, 0]),
    ],
)
def test_floating_point_is_scaled_by_what_it_holds(
    values: list[float], expected: list[int]
) -> None:
    got = decoded(grey(values, "<f4"), "TIFF")
    assert got[0, :, 0].tolist() == expected


def test_32_bit_integers_are_scaled_by_what_they_hold() -> None:
    assert decoded(grey([0, 7, 255], "<i4"), "TIFF")[0, :, 0].tolist() == [0, 7, 255]
    assert decoded(grey([0, 257, 65535], "<i4"), "TIFF")[0, :, 0].tolist() == [0, 1, 255]
    assert decoded(grey([0, 50_000, 100_000], "<i4"), "TIFF")[0, :, 0].tolist() == [0, 128, 255]


def test_transparency_shows_white_behind() -> None:
    half = Image.new("RGBA", (4, 4), (200, 100, 0, 128))
    expected = [round(c * 128 / 255 + 255 * 127 / 255) for c in (200, 100, 0)]
    assert np.abs(decoded(half, "PNG") - expected).max() <= 1
    assert np.abs(decoded(half, "WEBP", lossless=True) - expected).max() <= 1
    clear = Image.new("LA", (4, 4), (0, 0))
    assert decoded(clear, "PNG").min() == 255
    unseen = Image.new("RGBA", (4, 4), (9, 9, 9, 0))
    assert decoded(unseen, "PNG").min() == 255


def test_one_transparent_colour_shows_white_behind() -> None:
    black_and_grey = grey([0, 90], "u1")
    for mode, clear in (("L", 0), ("RGB", (0, 0, 0)), ("1", 0)):
        image = black_and_grey.convert(mode, dither=Image.Dither.NONE)
        got = decoded(image, "PNG", transparency=clear)
        assert got[0, 0].tolist() == [255, 255, 255], mode
        if mode != "1":
            assert got[0, 1].tolist() == [90, 90, 90], mode


def test_transparency_of_a_palette_shows_white_behind() -> None:
    image = Image.new("P", (2, 1))
    image.putpalette([0, 0, 0, 200, 100, 50])
    image.putpixel((1, 0), 1)
    for format_ in ("PNG", "GIF"):
        got = decoded(image, format_, transparency=0)
        assert got.tolist() == [[[255, 255, 255], [200, 100, 50]]], format_
    partly = decoded(image, "PNG", transparency=bytes((255, 0)))
    assert partly.tolist() == [[[0, 0, 0], [255, 255, 255]]]


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "P"])
def test_a_profile_is_applied(mode: str) -> None:
    image = Image.new("RGB", (8, 8), (255, 0, 0)).convert(mode)
    profile = swapped_rgb_profile()
    assert np.abs(decoded(image, "PNG", icc_profile=profile) - (0, 0, 255)).max() <= 2


def test_a_profile_that_is_srgb_changes_nothing() -> None:
    image = Image.fromarray(np.random.default_rng(0).integers(0, 256, (9, 9, 3)).astype(np.uint8))
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    assert np.array_equal(decoded(image, "PNG", icc_profile=profile), np.asarray(image))


def test_a_cmyk_profile_is_applied() -> None:
    profile = grey_ink_profile()
    for inks, expected in (((0, 0, 0, 0), 255), ((255, 0, 0, 0), 119), ((255, 255, 0, 0), 0)):
        image = Image.new("CMYK", (8, 8), inks)
        got = decoded(image, "TIFF", icc_profile=profile)
        assert np.abs(got - expected).max() <= 1, inks  # L* 50 is 119 in sRGB


@pytest.mark.parametrize("profile", [b"junk", bytes(200), grey_ink_profile()])
def test_a_broken_or_foreign_profile_is_ignored(profile: bytes) -> None:
    image = Image.new("RGB", (8, 8), (10, 200, 30))
    assert np.abs(decoded(image, "TIFF", icc_profile=profile) - (10, 200, 30)).max() == 0


@needs_shared
def test_a_deep_lab_tiff_is_the_photograph_it_was_made_from() -> None:
    lab = shared_data / "hostile" / "mode_LAB" / "hopper.Lab.tif"
    upright = Path(shared_data / "hostile" / "mode_I" / "hopper_16bit.pgm")
    colour = decode_image(lab.read_bytes()).image.convert("L")
    reference = decode_image(upright.read_bytes()).image.convert("L")
    difference = np.abs(np.asarray(colour).astype(np.int16) - np.asarray(reference))
    assert difference.mean() < 6
