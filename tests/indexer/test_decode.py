"""Pictures of every kind decode to what people see; all else is a named failure."""

from __future__ import annotations

import io
import os
import struct
import warnings
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageCms

from indexer.decode import Limits, decode_image, peek_pixels, read_file
from indexer.errors import MediaError
from indexer.types import Reason
from tests.pictures import picture
from tests.shared import needs_shared, shared_data


def encoded(image: Image.Image, format_: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, format_, **options)
    return buffer.getvalue()


def difference(a: Image.Image, b: Image.Image) -> float:
    """Return the mean absolute difference in grey levels."""
    return float(np.abs(np.asarray(a, np.float64) - np.asarray(b, np.float64)).mean())


def reason_of(data: bytes, limits: Limits | None = None) -> Reason:
    with pytest.raises(MediaError) as caught:
        decode_image(data, limits=limits)
    return caught.value.reason


SMOOTH = picture(1, (120, 80)).resize((30, 20)).resize((120, 80), Image.Resampling.BICUBIC)


@pytest.mark.parametrize(
    ("format_", "tolerance", "options"),
    [
        ("PNG", 0, {}),
        ("BMP", 0, {}),
        ("TIFF", 0, {}),
        ("TIFF", 0, {"compression": "tiff_lzw"}),
        ("PPM", 0, {}),
        ("WEBP", 0, {"lossless": True}),
        ("JPEG", 3, {"quality": 95}),
        ("AVIF", 4, {"quality": 95}),
        ("GIF", 12, {}),
    ],
)
def test_formats(format_: str, tolerance: float, options: dict[str, object]) -> None:
    decoded = decode_image(encoded(SMOOTH, format_, **options))
    assert decoded.format == format_
    assert (decoded.width, decoded.height) == decoded.image.size == (120, 80)
    assert decoded.image.mode == "RGB"
    assert difference(decoded.image, SMOOTH) <= tolerance


def test_gif_is_its_first_frame() -> None:
    frames = [Image.new("RGB", (20, 20), colour) for colour in ("red", "lime", "blue")]
    data = encoded(frames[0], "GIF", save_all=True, append_images=frames[1:])
    assert decode_image(data).image.getpixel((5, 5)) == (255, 0, 0)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_every_orientation_is_turned_upright(orientation: int) -> None:
    upright = picture(3, (60, 40))
    inverse = {
        1: None,
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }[orientation]
    stored = upright if inverse is None else upright.transpose(inverse)
    exif = Image.Exif()
    exif[0x0112] = orientation
    decoded = decode_image(encoded(stored, "PNG", exif=exif))
    assert (decoded.width, decoded.height) == (60, 40)
    np.testing.assert_array_equal(np.asarray(decoded.image), np.asarray(upright))


def test_transparency_is_put_on_white() -> None:
    image = Image.new("RGBA", (4, 1))
    for place, pixel in enumerate(
        [(255, 0, 0, 255), (255, 0, 0, 0), (0, 0, 0, 128), (10, 20, 30, 255)]
    ):
        image.putpixel((place, 0), pixel)
    got = np.asarray(decode_image(encoded(image, "PNG")).image)[0]
    expected = [(255, 0, 0), (255, 255, 255), (127, 127, 127), (10, 20, 30)]
    np.testing.assert_allclose(got, expected, atol=1)


def test_palette_transparency_is_put_on_white() -> None:
    image = Image.new("P", (2, 1))
    image.putpalette([0, 0, 0, 200, 10, 10] + [0] * 762)
    image.putpixel((1, 0), 1)
    data = encoded(image, "PNG", transparency=0)
    assert list(decode_image(data).image.get_flattened_data()) == [(255, 255, 255), (200, 10, 10)]


def test_a_colour_profile_is_applied_and_a_broken_one_ignored() -> None:
    grey = Image.new("RGB", (8, 8), (128, 128, 128))
    linear = ImageCms.createProfile("XYZ")  # a valid profile of another kind of picture
    plain = decode_image(encoded(grey, "PNG")).image
    for profile in (ImageCms.ImageCmsProfile(linear).tobytes(), b"not a profile"):
        assert difference(decode_image(encoded(grey, "PNG", icc_profile=profile)).image, plain) == 0
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    same = decode_image(encoded(grey, "PNG", icc_profile=srgb)).image
    assert difference(same, plain) <= 1


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (np.array([[0, 32768, 65535]], np.uint16), [0, 128, 255]),
        (np.array([[0.0, 0.5, 1.0]], np.float32), [0, 128, 255]),
        (np.array([[0.0, 100.0, 255.0]], np.float32), [0, 100, 255]),
        (np.array([[-10.0, 0.0, 10.0]], np.float32), [0, 128, 255]),
        (np.array([[0, 32768, 65535]], np.int32), [0, 128, 255]),
    ],
)
def test_deep_grey_is_scaled(values: np.ndarray, expected: list[int]) -> None:
    got = np.asarray(decode_image(encoded(Image.fromarray(values), "TIFF")).image)[0, :, 0]
    np.testing.assert_allclose(got, expected, atol=1)


@needs_shared
def test_all_pixel_modes_show_the_same_picture() -> None:
    folder = shared_data / "near_dup" / "modes"
    files = sorted(path for path in folder.iterdir() if path.suffix != ".md")
    assert len(files) == 14
    # Reduced, so that the dither of one-bit and palette pictures averages out.
    pictures = {path.stem: decode_image(path.read_bytes()).image.reduce(16) for path in files}
    for name, image in pictures.items():
        mode = "L" if name in ("1", "L", "LA", "I", "F") else "RGB"
        assert difference(image.convert(mode), pictures["RGB"].convert(mode)) < 6, name


@needs_shared
@pytest.mark.parametrize(("orientation", "size"), [(1, (4032, 3024)), (6, (3024, 4032))])
def test_camera_orientations_are_upright(orientation: int, size: tuple[int, int]) -> None:
    data = (shared_data / "near_dup" / "exif" / f"exif-rotn-{orientation}.jpg").read_bytes()
    decoded = decode_image(data, at_least=100)
    assert (decoded.width, decoded.height) == size
    assert (decoded.image.width > decoded.image.height) == (size[0] > size[1])


def test_a_cut_jpeg_is_named_as_such_at_every_tenth() -> None:
    data = encoded(picture(5, (200, 150)), "JPEG", quality=90)
    for tenth in range(1, 10):
        assert reason_of(data[: len(data) * tenth // 10]) is Reason.TRUNCATED
    decode_image(data)


@pytest.mark.parametrize("format_", ["PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF"])
def test_other_cut_formats_never_pass_for_whole(format_: str) -> None:
    data = encoded(picture(5, (200, 150)), format_)
    for tenth in range(1, 10):
        part = data[: len(data) * tenth // 10]
        assert reason_of(part) in (Reason.TRUNCATED, Reason.UNSUPPORTED)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"hello, this is text", Reason.NOT_MEDIA),
        (b"PK\x03\x04" + b"\0" * 60, Reason.NOT_MEDIA),
        (b"\x7fELF" + b"\0" * 60, Reason.NOT_MEDIA),
        (b"\0\0\0\x20ftypisom" + b"\0" * 60, Reason.UNSUPPORTED),
        (b"\x1aE\xdf\xa3" + b"\0" * 60, Reason.UNSUPPORTED),
        (b"RIFF\0\0\0\0AVI " + b"\0" * 60, Reason.UNSUPPORTED),
        (b"\xff\xd8\xff", Reason.TRUNCATED),
        (b"\x89PNG\r\n\x1a\n", Reason.TRUNCATED),
    ],
)
def test_what_is_no_picture_is_named(data: bytes, reason: Reason) -> None:
    assert reason_of(data) is reason


def test_the_pixel_limit_is_kept_before_anything_is_decoded() -> None:
    data = encoded(picture(1, (100, 50)), "PNG")
    assert reason_of(data, Limits(pixels=4999)) is Reason.TOO_LARGE
    assert decode_image(data, limits=Limits(pixels=5000)).width == 100
    header = struct.pack(">II5B", 60000, 60000, 8, 2, 0, 0, 0)
    bomb = data[:16] + header + data[29:]
    assert reason_of(bomb) in (Reason.TOO_LARGE, Reason.TRUNCATED)
    assert peek_pixels(data) == 5000
    assert peek_pixels(b"nothing") == 0


def test_a_large_jpeg_is_decoded_smaller_but_never_too_small() -> None:
    data = encoded(picture(1, (2000, 1500)), "JPEG")
    decoded = decode_image(data, at_least=100)
    assert (decoded.width, decoded.height) == (2000, 1500)
    assert 200 <= min(decoded.image.size) < 1500


def test_a_large_picture_is_converted_in_strips_to_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    image = picture(1, (300, 201)).convert("RGBA")
    image.putalpha(picture(2, (300, 201)).convert("L"))
    whole = decode_image(encoded(image, "PNG")).image
    monkeypatch.setattr("indexer.colour.STRIP_ABOVE", 1000)
    monkeypatch.setattr("indexer.colour._STRIP_PIXELS", 5000)
    striped = decode_image(encoded(image, "PNG")).image
    np.testing.assert_array_equal(np.asarray(striped), np.asarray(whole))
    reduced = decode_image(encoded(image, "PNG"), at_least=50).image
    assert min(reduced.size) >= 100
    assert difference(reduced, whole.reduce(2)) < 1


def test_reading_files(tmp_path: Path) -> None:
    limits = Limits(bytes=10)
    (tmp_path / "empty").touch()
    (tmp_path / "big").write_bytes(b"x" * 11)
    (tmp_path / "fits").write_bytes(b"x" * 10)
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "broken").symlink_to(tmp_path / "nowhere")
    assert read_file(tmp_path / "fits", limits=limits) == b"x" * 10
    for name, reason in {
        "empty": Reason.EMPTY,
        "big": Reason.TOO_LARGE,
        "pipe": Reason.NOT_MEDIA,
        "broken": Reason.UNREADABLE,
        ".": Reason.NOT_MEDIA,
        "absent": Reason.UNREADABLE,
    }.items():
        with pytest.raises(MediaError) as caught:
            read_file(tmp_path / name, limits=limits)
        assert caught.value.reason is reason, name


def outcome(data: bytes) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            decoded = decode_image(data, limits=Limits(pixels=4_000_000))
        except MediaError as error:
            assert error.message
        else:
            assert decoded.image.mode == "RGB"


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=300))
def test_random_bytes_are_a_picture_or_a_named_failure(data: bytes) -> None:
    outcome(data)


@settings(max_examples=150, deadline=None)
@given(
    st.sampled_from(["JPEG", "PNG", "GIF", "BMP", "TIFF", "WEBP"]),
    st.lists(st.tuples(st.floats(0, 1), st.integers(0, 255)), min_size=1, max_size=12),
)
def test_damaged_pictures_are_pictures_or_named_failures(
    format_: str, changes: list[tuple[float, int]]
) -> None:
    data = bytearray(encoded(picture(2, (24, 18)), format_))
    for place, value in changes:
        data[int(place * (len(data) - 1))] = value
    outcome(bytes(data))
