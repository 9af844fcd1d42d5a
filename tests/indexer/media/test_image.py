import io
import threading
import warnings
import zipfile
from collections.abc import Callable

import imagecodecs
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageOps

from indexer.errors import MediaError
from indexer.media.files import Limits
from indexer.media.formats import Plugin
from indexer.media.image import DecodedImage, Pictures, decode_image
from indexer.preprocess import PRESETS, needed, prepare
from indexer.types import Reason
from tests.checkout import needs_shared, shared_data
from tests.heif import heic
from tests.pictures import picture

FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF", "AVIF", "PPM", "JPEG2000")


def encoded(image: Image.Image, format_: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, format_, **options)
    return buffer.getvalue()


def pixels(data: bytes, at_least: int | None = None) -> np.ndarray:
    return np.asarray(decode_image(data, at_least=at_least).image).astype(np.int16)


def refused(data: bytes, **options: object) -> MediaError:
    with pytest.raises(MediaError) as caught:
        decode_image(data, **options)
    return caught.value


def smooth(size: tuple[int, int] = (320, 240)) -> Image.Image:
    x, y = np.meshgrid(np.linspace(0, 1, size[0]), np.linspace(0, 1, size[1]))
    waves = np.stack([x, y, (np.sin(9 * x) * np.cos(7 * y) + 1) / 2], axis=-1)
    return Image.fromarray((255 * waves).astype(np.uint8))


# What a file is


def zipped() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("x.jpg", encoded(picture(1), "JPEG"))
    return buffer.getvalue()


def dng() -> bytes:
    return encoded(picture(1), "TIFF", tiffinfo={50706: b"\1\4\0\0"})


@pytest.mark.parametrize(
    ("data", "reason", "word"),
    [
        (b"Dear diary, today", Reason.NOT_MEDIA, "no picture"),
        (b"BM is short for bitmap, says this text of more than a header's length", "not_media", ""),
        (b"P3 is a road; this is a text about it", Reason.NOT_MEDIA, ""),
        (b"GIF is a format", Reason.NOT_MEDIA, ""),
        (b'{"json": true}', Reason.NOT_MEDIA, ""),
        (b"%PDF-1.7\n", Reason.NOT_MEDIA, ""),
        (zipped(), Reason.NOT_MEDIA, ""),
        (b"\x7fELF" + bytes(200), Reason.NOT_MEDIA, ""),
        (bytes(3000), Reason.NOT_MEDIA, ""),
        (b"\0\0\0\x18ftypmp42" + bytes(40), Reason.UNSUPPORTED, "video"),
        (b"\0\0\0\x18ftypqt  " + bytes(40), Reason.UNSUPPORTED, "video"),
        (b"\0\0\0\x08wide\0\0\0\0mdat", Reason.UNSUPPORTED, "video"),
        (b"\x1aE\xdf\xa3" + bytes(40), Reason.UNSUPPORTED, "video"),
        (b"RIFF\0\0\0\0AVI LIST", Reason.UNSUPPORTED, "video"),
        (b"\0\0\1\xba" + bytes(40), Reason.UNSUPPORTED, "video"),
        (3 * (b"G" + bytes(187)), Reason.UNSUPPORTED, "video"),
        (b"\0\0\0\x18ftypcrx " + bytes(40), Reason.UNSUPPORTED, "raw"),
        (b"FUJIFILMCCD-RAW 0201" + bytes(40), Reason.UNSUPPORTED, "raw"),
        (dng(), Reason.UNSUPPORTED, "raw"),
        (b"8BPS\0\2" + bytes(40), Reason.UNSUPPORTED, "PSB"),
        (b"#?RADIANCE\n" + bytes(40), Reason.UNSUPPORTED, "Radiance"),
        (b'<?xml version="1.0"?>\n<!-- a -->\n<svg width="1">', Reason.UNSUPPORTED, "SVG"),
        (encoded(picture(1), "TGA"), Reason.UNSUPPORTED, "TGA"),
        (encoded(picture(1), "ICO"), Reason.UNSUPPORTED, "ICO"),
    ],
)
def test_what_is_not_read_is_named_by_its_content(data: bytes, reason: str, word: str) -> None:
    error = refused(data)
    assert error.reason is Reason(reason)
    assert word in error.message


@pytest.mark.parametrize("format_", FORMATS)
def test_every_accepted_format(format_: str) -> None:
    data = encoded(smooth(), format_)
    decoded = decode_image(data)
    assert (decoded.format, decoded.width, decoded.height) == (format_, 320, 240)
    assert decoded.image.mode == "RGB"
    tolerance = {"JPEG": 3.0, "WEBP": 3.0, "AVIF": 3.0, "GIF": 12.0}.get(format_, 0.0)
    original = np.asarray(smooth()).astype(np.int16)
    assert np.abs(np.asarray(decoded.image) - original).mean() <= tolerance
    assert Pictures(data, Limits()).pixels == 320 * 240


def jpeg_xl(image: Image.Image) -> bytes:
    return bytes(imagecodecs.jpegxl_encode(np.asarray(image), lossless=True))


@pytest.mark.parametrize("make", [lambda image: heic([image]), jpeg_xl], ids=["heic", "jpeg xl"])
def test_what_phones_and_browsers_make_is_read(make: Callable[[Image.Image], bytes]) -> None:
    data = make(smooth())
    assert np.abs(pixels(data) - np.asarray(smooth())).mean() < 3.0
    for tenth in range(1, 10):
        error = refused(data[: len(data) * tenth // 10])
        assert error.reason is Reason.TRUNCATED, (tenth, error)


def test_a_missing_plug_in_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Plugin, "is_present", False)
    for data, way in (
        (b"\0\0\0\x18ftypheic" + bytes(40), "pip install pi-heif"),
        (b"\xff\x0a" + bytes(40), "pip install imagecodecs"),
        (b"FUJIFILMCCD-RAW 0201" + bytes(40), "pip install 'dfindex[raw]'"),
        (dng(), "pip install 'dfindex[raw]'"),
    ):
        error = refused(data)
        assert error.reason is Reason.UNSUPPORTED
        assert way in error.message


def test_the_first_frame_stands_for_a_moving_picture() -> None:
    frames = [Image.new("RGB", (20, 10), colour) for colour in ("#ff0000", "#00ff00", "#0000ff")]
    for format_ in ("GIF", "PNG", "WEBP", "TIFF", "AVIF"):
        data = encoded(frames[0], format_, save_all=True, append_images=frames[1:])
        assert np.abs(pixels(data) - (255, 0, 0)).max() <= 8, format_
    stereo = encoded(frames[2], "MPO", save_all=True, append_images=frames[:2])
    assert np.abs(pixels(stereo) - (0, 0, 255)).max() <= 8


# Damage


@pytest.mark.parametrize("format_", FORMATS)
def test_a_picture_cut_at_every_tenth_is_truncated(format_: str) -> None:
    data = encoded(picture(3, (90, 70)), format_)
    for tenth in range(1, 10):
        error = refused(data[: len(data) * tenth // 10])
        assert error.reason is Reason.TRUNCATED, (tenth, error)


def test_a_progressive_jpeg_cut_at_every_tenth_is_truncated() -> None:
    data = encoded(picture(3, (90, 70)), "JPEG", progressive=True)
    for at_least in (None, 8):
        for tenth in range(1, 10):
            error = refused(data[: len(data) * tenth // 10], at_least=at_least)
            assert error.reason is Reason.TRUNCATED, tenth


JPEG, PNG = encoded(picture(5), "JPEG"), encoded(picture(5), "PNG")


def survives(data: bytes) -> None:
    try:
        decoded = decode_image(data, limits=Limits(pixels=1_000_000), at_least=16)
    except MediaError as error:
        assert error.message and error.reason is not Reason.INTERNAL, error
    else:
        assert isinstance(decoded, DecodedImage)
        assert decoded.image.mode == "RGB"


@settings(deadline=None, max_examples=150)
@given(st.binary(max_size=300))
def test_random_bytes_are_a_picture_or_a_media_error(data: bytes) -> None:
    survives(data)


@settings(deadline=None, max_examples=100)
@given(
    st.sampled_from([encoded(picture(6), format_)[:16] for format_ in FORMATS]),
    st.binary(max_size=200),
)
def test_random_bytes_behind_a_true_beginning(beginning: bytes, data: bytes) -> None:
    survives(beginning + data)


@settings(deadline=None, max_examples=200)
@given(st.sampled_from((JPEG, PNG)), st.data())
def test_flipped_bytes_are_a_picture_or_a_media_error(data: bytes, draw: st.DataObject) -> None:
    damaged = bytearray(data)
    places = st.integers(0, len(data) - 1)
    for place in draw.draw(st.lists(places, min_size=1, max_size=6)):
        damaged[place] ^= draw.draw(st.integers(1, 255))
    survives(bytes(damaged))


# Limits and the process around


def test_the_limit_on_pixels_is_exact() -> None:
    data = encoded(Image.new("L", (50, 40)), "PNG")
    assert decode_image(data, limits=Limits(pixels=2000)).width == 50
    error = refused(data, limits=Limits(pixels=1999))
    assert error.reason is Reason.TOO_LARGE
    assert "50 x 40" in error.message


def test_a_bomb_is_refused_by_its_header() -> None:
    data = bytearray(encoded(Image.new("1", (10, 10)), "BMP"))
    data[18:26] = (20_000).to_bytes(4, "little") * 2
    assert refused(bytes(data)).reason is Reason.TOO_LARGE


def test_pictures_between_pillows_warning_and_our_limit_are_read() -> None:
    data = encoded(Image.new("1", (10_000, 9_000)), "PNG")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        decoded = decode_image(data, at_least=200)
    assert (decoded.width, decoded.height) == (10_000, 9_000)
    assert decoded.image.size == (455, 410)  # reduced by 22, the shorter side at least 400


def test_settings_of_the_process_survive_threads() -> None:
    before = Image.MAX_IMAGE_PIXELS, list(warnings.filters)
    data = [encoded(picture(seed), "PNG") for seed in range(4)]
    threads = [
        threading.Thread(target=lambda one=one: [decode_image(one) for _ in range(50)])
        for one in data
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    refused(b"no picture")
    assert before == (Image.MAX_IMAGE_PIXELS, list(warnings.filters))


# Upright


UPRIGHT = np.asarray(picture(8, (30, 20)))
STORED = {
    1: UPRIGHT,
    2: UPRIGHT[:, ::-1],
    3: UPRIGHT[::-1, ::-1],
    4: UPRIGHT[::-1],
    5: UPRIGHT.transpose(1, 0, 2),
    6: np.rot90(UPRIGHT, 1),
    7: UPRIGHT[::-1, ::-1].transpose(1, 0, 2),
    8: np.rot90(UPRIGHT, -1),
}


@pytest.mark.parametrize("orientation", STORED)
@pytest.mark.parametrize("format_", ["PNG", "WEBP", "TIFF", "JPEG"])
def test_all_orientations_become_upright(format_: str, orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored = Image.fromarray(np.ascontiguousarray(STORED[orientation]))
    options = {"WEBP": {"lossless": True}, "JPEG": {"quality": 95, "subsampling": 0}}
    decoded = decode_image(encoded(stored, format_, exif=exif, **options.get(format_, {})))
    assert (decoded.width, decoded.height) == (30, 20)
    difference = np.abs(np.asarray(decoded.image).astype(np.int16) - UPRIGHT)
    assert difference.mean() <= (4.0 if format_ == "JPEG" else 0.0)


@pytest.mark.parametrize("value", [0, 9, 65535])
def test_an_orientation_that_does_not_exist_is_ignored(value: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = value
    assert np.array_equal(pixels(encoded(Image.fromarray(UPRIGHT), "PNG", exif=exif)), UPRIGHT)


@needs_shared
def test_one_photograph_in_seven_orientations_is_one_picture() -> None:
    files = sorted((shared_data / "hostile" / "orientation").glob("*.jpg"))
    decoded = [pixels(file.read_bytes()) for file in files]
    assert len(decoded) == 7
    for file, one in zip(files, decoded, strict=True):
        # Each was compressed on its own; another turn of it is off by more than 50.
        assert np.abs(one - decoded[0]).mean() < 4, file
        assert np.abs(one[::-1] - decoded[0]).mean() > 20, file


@needs_shared
@pytest.mark.parametrize("name", ["exif-rotn-1.jpg", "exif-rotn-6.jpg", "exif-rotn-8.jpg"])
def test_photographs_from_a_phone_are_turned_as_pillow_turns_them(name: str) -> None:
    data = (shared_data / "near_dup" / "exif" / name).read_bytes()
    with Image.open(io.BytesIO(data)) as image:
        expected = ImageOps.exif_transpose(image)
    decoded = decode_image(data)
    assert (decoded.width, decoded.height) == expected.size
    assert np.array_equal(np.asarray(decoded.image), np.asarray(expected))


# Less than the whole


@pytest.mark.slow
@needs_shared
def test_a_reduced_decode_makes_nearly_the_same_input() -> None:
    files = sorted((shared_data / "near_dup" / "bridge_edits").glob("*.jpg"))
    files += sorted((shared_data / "near_dup" / "exif").glob("*.jpg"))
    for preset in (PRESETS["vit-half-224"], PRESETS["commfor-author"]):
        for file in files:
            data = file.read_bytes()
            whole = decode_image(data)
            reduced = decode_image(data, at_least=needed(preset))
            assert (reduced.width, reduced.height) == whole.image.size
            side = min(whole.image.size)
            assert min(reduced.image.size) >= min(side, 2 * needed(preset))
            one, other = prepare(whole.image, preset), prepare(reduced.image, preset)
            assert np.abs(one.astype(np.int16) - other).mean() < 1.0, file


def test_a_large_picture_is_reduced_in_strips_without_seams() -> None:
    rng = np.random.default_rng(2)
    small = rng.integers(0, 256, size=(50, 61, 4)).astype(np.uint8)
    large = Image.fromarray(small).resize((6100, 5000), Image.Resampling.NEAREST)
    decoded = decode_image(encoded(large, "PNG", compress_level=1), at_least=50)
    assert (decoded.width, decoded.height) == (6100, 5000)
    assert decoded.image.size == (122, 100)  # by 50: each of the small pixels fills 2 x 2
    alpha = small[:, :, 3:] / 255
    expected = small[:, :, :3] * alpha + 255 * (1 - alpha)
    got = np.asarray(decoded.image).astype(np.float64)
    assert np.abs(got - np.kron(expected, np.ones((2, 2, 1)))).max() <= 1
