"""Recorders' streams and animations: films with sensible times, never one still in silence."""

from __future__ import annotations

import io
import os
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from indexer.media.files import Limits
from indexer.media.source import Media
from indexer.media.videos.frames import Sampling
from indexer.media.videos.opening import holds_video, open_video
from tests.checkout import needs_shared, shared_data
from tests.pictures import picture
from tests.videos import number_of, numbered

CASES = shared_data / "cases"
SIZE = (192, 96)
# What FFmpeg calls the stream, and by what it is coded.
STREAMS = {
    "h264": ("h264", "libx264", "yuv420p"),
    "hevc": ("hevc", "libx265", "yuv420p"),
    "ivf": ("ivf", "libvpx", "yuv420p"),
    "y4m": ("yuv4mpegpipe", "rawvideo", "yuv420p"),
    "mxf": ("mxf", "mpeg2video", "yuv420p"),
    "mjpeg": ("mjpeg", "mjpeg", "yuvj420p"),
    "multipart": ("mpjpeg", "mjpeg", "yuvj420p"),
    "m4v": ("m4v", "mpeg4", "yuv420p"),
    "nut": ("nut", "mpeg4", "yuv420p"),
}


def stream(path: Path, kind: str, frames: int = 50) -> Path:
    """Write a stream of 25 numbered frames a second."""
    container, codec, pixels = STREAMS[kind]
    options = {"x265-params": "log-level=none"} if kind == "hevc" else {}
    with av.open(str(path), "w", format=container) as output:
        coded = output.add_stream(codec, rate=25, options=options)
        coded.width, coded.height = SIZE
        coded.pix_fmt = pixels
        coded.bit_rate = 4_000_000
        for number in range(frames):
            frame = av.VideoFrame.from_ndarray(numbered(number), format="rgb24")
            output.mux(coded.encode(frame))
        output.mux(coded.encode())
    return path


def spans(path: Path) -> list[tuple[float, float]]:
    with Media(os.fsencode(path), Limits(), Sampling()) as media:
        taken = [one.span for one in media.pictures(64)]
    assert None not in taken
    return [(one.from_s, one.until_s) for one in taken if one]


@needs_shared
@pytest.mark.parametrize("name", ["stream.mjpeg", "raw.h264", "a.mxf"])
def test_the_streams_of_the_cases_are_read_to_their_end(name: str) -> None:
    found = spans(CASES / name)
    assert len(found) == 12
    assert found[-1][1] == pytest.approx(24 / 25, abs=0.05)


@pytest.mark.parametrize("kind", STREAMS)
def test_a_stream_s_frames_have_their_times(kind: str, tmp_path: Path) -> None:
    path = stream(tmp_path / "x.bin", kind)
    assert holds_video(path)
    with open_video(path) as video:
        assert video.duration == pytest.approx(2.0, abs=0.05)
        shown = list(video.every(None))
        assert [number_of(one.image) for one in shown] == list(range(50))
        times = [one.time_s for one in shown]
        assert times == pytest.approx([number / 25 for number in range(50)], abs=0.03)
        again = [number_of(one.image) for one in video.at([0.1, 1.02, 1.9], None)]
        assert again == pytest.approx([2, 25, 47], abs=1)


def jpeg(image: Image.Image, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", **options)
    return buffer.getvalue()


def test_a_jpeg_with_something_behind_it_stays_a_picture(tmp_path: Path) -> None:
    one, other = jpeg(picture(1, (64, 48))), jpeg(picture(2, (32, 24)))
    thumb = b"Exif\0\0" + other
    inside = one[:2] + b"\xff\xe1" + (2 + len(thumb)).to_bytes(2, "big") + thumb + one[2:]
    for name, data in (
        ("smaller", one + other),
        ("junk", one + bytes(500)),
        ("thumbnail", inside),
        ("progressive", jpeg(picture(1, (64, 48)), progressive=True)),
        ("cut", one + one[: len(one) // 2]),
    ):
        (tmp_path / name).write_bytes(data)
        assert not holds_video(tmp_path / name), name
    (tmp_path / "film").write_bytes(inside + b"\0\0" + inside)
    assert holds_video(tmp_path / "film")


@pytest.mark.parametrize(
    "data",
    [
        b"\0\0\0\1 is how some text might begin",
        b"\0\0\1\x09\x10" + bytes(200),
        b"--boundary\r\nContent-Type: text/plain\r\n\r\n",
        bytes(range(256)) * 4,
    ],
)
def test_what_begins_nearly_like_a_stream_is_none(data: bytes, tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(data)
    assert not holds_video(tmp_path / "x")


@needs_shared
@pytest.mark.parametrize(("name", "frames"), [("apng_cover_black.png", 3), ("anim.avif", 4)])
def test_the_animations_of_the_cases_are_read_whole(name: str, frames: int) -> None:
    assert len(spans(CASES / name)) == frames
    with Image.open(CASES / "img_ref.png") as image:
        reference = np.asarray(image.convert("RGB")).astype(np.int16)
    with open_or_animate(CASES / name) as media:
        shown = [np.asarray(one.image).astype(np.int16) for one in media.pictures(2000)]
    if name.startswith("apng"):
        assert [np.abs(one - reference).max() == 0 for one in shown].count(True) == 1
        assert shown[0].max() == 0


def open_or_animate(path: Path) -> Media:
    return Media(os.fsencode(path), Limits(), Sampling())


@pytest.mark.parametrize("format_", ["PNG", "AVIF", "WEBP", "GIF"])
def test_every_frame_of_a_short_animation_is_taken(format_: str, tmp_path: Path) -> None:
    frames = [Image.fromarray(numbered(number)) for number in range(6)]
    shown = [2000, 20, 2000, 40, 1000, 100]  # the second would fall between even samples
    options = {"lossless": True} if format_ == "WEBP" else {}
    path = tmp_path / "x"
    frames[0].save(
        path, format_, save_all=True, append_images=frames[1:], duration=shown, **options
    )
    with open_or_animate(path) as media:
        taken = list(media.pictures(96))
    assert [number_of(one.image) for one in taken] == list(range(6))
    starts = [one.span.time_s for one in taken if one.span]
    assert starts == pytest.approx([0, 2, 2.02, 4.02, 4.06, 5.06], abs=0.011)
