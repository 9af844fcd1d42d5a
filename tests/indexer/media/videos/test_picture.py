"""A frame as it is shown: mirrored and turned, tone-mapped, in the right colours, on a ground."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from indexer.media.videos.opening import open_video
from indexer.media.videos.picture import picture
from indexer.types import UInt8
from tests.checkout import needs_shared, shared_data
from tests.videos import clip, steady

CASES = shared_data / "cases"


def corners() -> UInt8:
    """Return a picture (96, 128, 3) whose four quarters are told apart by their colours."""
    drawn = np.zeros((96, 128, 3), np.uint8)
    drawn[:48, :64], drawn[:48, 64:] = (200, 40, 40), (40, 200, 40)
    drawn[48:, :64], drawn[48:, 64:] = (40, 40, 200), (210, 210, 210)
    return drawn


def first_frame(path: Path, at_least: int | None = None) -> Image.Image:
    with open_video(path) as video:
        image = next(iter(video.at([0.0], at_least))).image
        if at_least is None:
            assert image.size == (video.width, video.height)
        return image


def difference(image: Image.Image, expected: UInt8) -> float:
    got = np.asarray(image, dtype=np.float64)
    assert got.shape == expected.shape
    return float(np.abs(got - expected).mean())


def with_display_matrix(path: Path, a: int, b: int, c: int, d: int) -> Path:
    """Write a display matrix into the header of an MP4 file."""
    data = bytearray(path.read_bytes())
    place = data.index(b"tkhd") + 4 + 40
    for at, value in enumerate((a, b, 0, c, d, 0, 0, 0)):
        data[place + 4 * at : place + 4 * at + 4] = (value * 65536 & 0xFFFFFFFF).to_bytes(4, "big")
    path.write_bytes(data)
    return path


SHOWN: dict[tuple[int, int, int, int], Callable[[UInt8], UInt8]] = {
    (1, 0, 0, 1): lambda one: one,
    (-1, 0, 0, 1): lambda one: one[:, ::-1],
    (1, 0, 0, -1): lambda one: one[::-1],
    (-1, 0, 0, -1): lambda one: one[::-1, ::-1],
    (0, 1, 1, 0): lambda one: one.transpose(1, 0, 2),
    (0, 1, -1, 0): lambda one: one.transpose(1, 0, 2)[:, ::-1],  # clockwise
    (0, -1, 1, 0): lambda one: one.transpose(1, 0, 2)[::-1],
    (0, -1, -1, 0): lambda one: one.transpose(1, 0, 2)[::-1, ::-1],
}


@pytest.mark.parametrize("matrix", SHOWN)
def test_display_matrices_turn_and_mirror(
    matrix: tuple[int, int, int, int], tmp_path: Path
) -> None:
    path = clip(tmp_path / "a.mp4", steady(3), size=(128, 96), draw=lambda _: corners())
    with_display_matrix(path, *matrix)
    assert difference(first_frame(path), SHOWN[matrix](corners())) < 4


@needs_shared
def test_the_films_with_display_matrices_show_what_their_names_say() -> None:
    ref = np.asarray(first_frame(CASES / "ref.mp4"))
    assert difference(first_frame(CASES / "hflip.mp4"), ref[:, ::-1]) < 1
    assert difference(first_frame(CASES / "vflip.mp4"), ref[::-1]) < 1
    assert difference(first_frame(CASES / "transpose.mp4"), ref.transpose(1, 0, 2)) < 1


def frame_of(
    colour: tuple[float, float, float], bits: int, full: bool, matrix: tuple[float, float]
) -> av.VideoFrame:
    """Return a frame of one colour, RGB from 0 to 1, by the weights of red and blue."""
    red, green, blue = colour
    weight_r, weight_b = matrix
    y = weight_r * red + (1 - weight_r - weight_b) * green + weight_b * blue
    cb, cr = (blue - y) / (2 * (1 - weight_b)), (red - y) / (2 * (1 - weight_r))
    step = 2 ** (bits - 8)
    codes = [(16 + 219 * y) * step, (128 + 224 * cb) * step, (128 + 224 * cr) * step]
    if full:
        most, middle = 2**bits - 1, 2 ** (bits - 1)
        codes = [y * most, cb * most + middle, cr * most + middle]
    frame = av.VideoFrame(64, 48, "yuv444p" if bits == 8 else f"yuv444p{bits}le")
    for plane, code in zip(frame.planes, codes, strict=True):
        kind = np.uint8 if bits == 8 else np.uint16
        plane.update(np.full(plane.buffer_size // kind().itemsize, round(code), kind).tobytes())
    frame.color_range = 2 if full else 1
    return frame


WEIGHTS = {1: (0.2126, 0.0722), 5: (0.299, 0.114), 6: (0.299, 0.114), 9: (0.2627, 0.0593)}


@pytest.mark.parametrize("bits", [8, 10, 12])
@pytest.mark.parametrize("full", [False, True])
@pytest.mark.parametrize("space", WEIGHTS)
def test_colours_are_those_of_the_matrix_and_range(space: int, full: bool, bits: int) -> None:
    for colour in ((200, 60, 40), (30, 180, 90), (20, 40, 230), (250, 250, 250)):
        red, green, blue = (part / 255 for part in colour)
        frame = frame_of((red, green, blue), bits, full, WEIGHTS[space])
        frame.colorspace = space
        assert picture(frame, None, None).getpixel((9, 9)) == pytest.approx(colour, abs=2)


@pytest.mark.parametrize(
    ("space", "weights"), [(3, WEIGHTS[6]), (17, WEIGHTS[6]), (10, WEIGHTS[9])]
)
def test_a_matrix_that_is_not_known_is_guessed(space: int, weights: tuple[float, float]) -> None:
    frame = frame_of((0.8, 0.2, 0.1), 8, full=False, matrix=weights)
    frame.colorspace = space
    assert picture(frame, None, None).getpixel((9, 9)) == pytest.approx((204, 51, 26), abs=2)


def deep_film(path: Path, drawn: UInt8, transfer: int, curve: Callable[[float], float]) -> Path:
    """Write a 10-bit film of BT.2020 whose code values are ``curve`` of a picture's, 0 to 1."""
    table = np.array([round(65535 * curve(level / 255)) for level in range(256)], np.uint16)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("ffv1", rate=10)
        stream.width, stream.height, stream.pix_fmt = drawn.shape[1], drawn.shape[0], "yuv444p10le"
        context = stream.codec_context
        context.color_trc, context.color_primaries, context.colorspace = transfer, 9, 9
        for _ in range(3):
            deep = av.VideoFrame.from_ndarray(table[drawn], format="rgb48le")
            deep.colorspace = 9
            frame = deep.reformat(format="yuv444p10le", dst_colorspace=9, src_colorspace=9)
            frame.color_trc, frame.color_primaries, frame.colorspace = transfer, 9, 9
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def pq(level: float) -> float:
    """Return the PQ code value of an sRGB grey whose white has 80 cd/m2."""
    power = (80 * level**2.2 / 10000) ** 0.1593017578125
    return float(((0.8359375 + 18.8515625 * power) / (1 + 18.6875 * power)) ** 78.84375)


def test_a_film_of_high_dynamic_range_is_tone_mapped(tmp_path: Path) -> None:
    ramp = np.repeat(np.linspace(0, 255, 128).astype(np.uint8)[None, :, None], 64, axis=0)
    ramp = np.repeat(ramp, 3, axis=2)
    image = np.asarray(first_frame(deep_film(tmp_path / "a.mkv", ramp, 16, pq)), dtype=np.float64)
    light = 80 / 203 * (ramp / 255.0) ** 2.2  # below the knee, so shown as it is
    expected = 255 * np.where(light > 0.0031308, 1.055 * light ** (1 / 2.4) - 0.055, 12.92 * light)
    assert np.abs(image - expected).max() < 3


@needs_shared
def test_the_film_of_high_dynamic_range_looks_like_the_plain_one() -> None:
    """Both were made of one film; read without tone mapping, PQ has half of its contrast."""
    deep, plain = first_frame(CASES / "hdr_pq.mp4"), first_frame(CASES / "ref.mp4")
    assert difference(deep, np.asarray(plain)) < 8
    small = first_frame(CASES / "hdr_pq.mp4", 60)
    shrunk = np.asarray(deep.resize(small.size, Image.Resampling.BOX))
    assert small.size == (160, 120)
    assert difference(small, shrunk) < 3


def transparent(path: Path, codec: str, pixels: str) -> Path:
    """Write a film of a white bar above a black one on a transparent ground."""
    drawn = np.zeros((96, 128, 4), np.uint8)
    drawn[16:40, :, :] = 255
    drawn[56:80, :, 3] = 255
    options = {"libvpx": {"auto-alt-ref": "0"}, "libvpx-vp9": {"auto-alt-ref": "0"}}
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=10, options=options.get(codec, {}))
        stream.width, stream.height, stream.pix_fmt = 128, 96, pixels
        if codec in options:
            stream.metadata["alpha_mode"] = "1"
        for _ in range(12):
            frame = av.VideoFrame.from_ndarray(drawn, format="rgba")
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


@pytest.mark.parametrize(
    ("name", "codec", "pixels"),
    [
        ("a.webm", "libvpx", "yuva420p"),
        ("a.webm", "libvpx-vp9", "yuva420p"),
        ("a.mov", "prores_ks", "yuva444p10le"),
        ("a.mov", "qtrle", "argb"),
        ("a.mov", "png", "rgba"),
        ("a.mkv", "ffv1", "yuva444p"),
    ],
)
def test_what_is_drawn_on_transparency_is_seen(
    name: str, codec: str, pixels: str, tmp_path: Path
) -> None:
    path = transparent(tmp_path / name, codec, pixels)
    with open_video(path) as video:
        images = [one.image for one in video.at([0.0, 0.95, 0.3], None)]
    for image in images:
        white, black, ground = (image.convert("L").getpixel((60, y)) for y in (28, 68, 48))
        assert white - ground > 80
        assert ground - black > 80
