"""Frames come out exactly: the n-th frame's number is burnt into it."""

from __future__ import annotations

import time
from bisect import bisect_right
from pathlib import Path

import av
import numpy as np
import pytest

from indexer.errors import MediaError
from indexer.media.files import Limits
from indexer.media.videos.frames import Sampling, sampled
from indexer.media.videos.opening import open_video
from indexer.types import Reason
from tests.marks import mostly_slow
from tests.videos import SIZE, clip, number_of, numbered, steady, uneven

B_FRAMES = {"bf": "3", "g": "48", "crf": "20", "preset": "veryfast", "sc_threshold": "0"}
LAST = 0.04  # seconds that a last frame of a 25 Hz clip is shown


def expected(times: list[float], end: float, count: int = 12) -> list[int]:
    """Return which frame a player shows in the middle of each of ``count`` equal parts."""
    start, length = times[0], end - times[0]
    middles = [start + length * (part + 0.5) / count for part in range(count)]
    return [bisect_right(times, middle + 1e-9) - 1 for middle in middles]


def taken(path: Path, sampling: Sampling | None = None) -> tuple[list[int], float]:
    with open_video(path) as video:
        frames = list(sampled(video, sampling or Sampling()))
        return [number_of(one.image) for one in frames], video.duration


CASES = {
    "constant.mp4": (steady(300), {"options": B_FRAMES}),
    "constant.mov": (steady(300), {"options": B_FRAMES}),
    "constant.mkv": (steady(300), {"options": B_FRAMES}),
    "constant.ts": (steady(300), {"options": B_FRAMES}),
    "constant.flv": (steady(300), {"options": B_FRAMES}),
    "few-keys.mp4": (steady(600), {"options": {**B_FRAMES, "g": "600"}}),
    "all-keys.mp4": (steady(120), {"options": {**B_FRAMES, "g": "1", "bf": "0"}}),
    "variable.mp4": (uneven(200), {"options": B_FRAMES}),
    "variable.mkv": (uneven(200, 1), {"options": B_FRAMES}),
    "late.mp4": (steady(300, start=7.0), {"options": B_FRAMES}),
    "late.mkv": (uneven(200, 2, start=3.2), {"options": B_FRAMES}),
    "late.ts": (steady(300, start=100.0), {"options": B_FRAMES}),
    "vp9.webm": (steady(150), {"codec": "libvpx-vp9", "options": {"deadline": "realtime",
                                                                  "cpu-used": "8", "g": "50"}}),
    "mpeg4.avi": (steady(200), {"codec": "mpeg4", "options": {"g": "24", "qscale": "3"}}),
    "mpeg4-b.mp4": (steady(200), {"codec": "mpeg4", "options": {"g": "24", "bf": "2"}}),
    "jpeg.mov": (steady(60), {"codec": "mjpeg", "pixels": "yuvj420p"}),
}  # fmt: skip


@pytest.mark.parametrize("name", mostly_slow(CASES, quick=5))
def test_twelve_of_twelve_frames_are_exact(name: str, tmp_path: Path) -> None:
    times, options = CASES[name]
    path = clip(tmp_path / name, times, **options)
    numbers, duration = taken(path)
    assert duration == pytest.approx(times[-1] - times[0] + LAST, abs=0.26)
    assert numbers == expected(times, times[0] + duration)
    assert len(numbers) == 12


def test_a_second_pass_jumps_back_to_the_same_frames(tmp_path: Path) -> None:
    path = clip(tmp_path / "a.mp4", steady(300), options=B_FRAMES)
    with open_video(path) as video:
        first = [number_of(one.image) for one in video.at([11.9, 11.94], None)]
        second = [number_of(one.image) for one in video.at([0.0, 0.039, 0.041, 5.0], None)]
    assert first == [297, 298]
    assert second == [0, 0, 1, 125]


def test_frames_stand_for_equal_parts_of_the_video(tmp_path: Path) -> None:
    path = clip(tmp_path / "a.mp4", steady(120), options=B_FRAMES)
    with open_video(path) as video:
        spans = [one.span for one in sampled(video, Sampling())]
    assert [one.from_s for one in spans] == pytest.approx([0.4 * part for part in range(12)])
    assert [one.until_s for one in spans] == pytest.approx([0.4 * part for part in range(1, 13)])
    assert [one.time_s for one in spans] == pytest.approx([0.2 + 0.4 * part for part in range(12)])


def test_a_frame_shown_through_several_parts_comes_once(tmp_path: Path) -> None:
    path = clip(tmp_path / "a.mkv", [0.0, 3.0, 3.04, 3.08], options=B_FRAMES)
    with open_video(path) as video:
        frames = list(sampled(video, Sampling()))
        assert video.duration == pytest.approx(3.12, abs=0.01)
    assert [number_of(one.image) for one in frames] == [0]
    assert (frames[0].span.from_s, frames[0].span.until_s) == (0.0, pytest.approx(3.12, abs=0.01))


def test_rates_give_a_frame_for_each_part_of_a_second(tmp_path: Path) -> None:
    path = clip(tmp_path / "a.mp4", steady(250), options=B_FRAMES)
    numbers, _ = taken(path, Sampling(fps=2.0))
    assert numbers == expected(steady(250), 10.0, 20)
    assert len(taken(path, Sampling(fps=2.0, most=7))[0]) == 7
    assert len(taken(path, Sampling(frames=1))[0]) == 1


def test_scenes_give_a_frame_each(tmp_path: Path) -> None:
    def scene(number: int) -> np.ndarray:
        frame = numbered(number).copy()
        frame[: SIZE[1] // 2] = [(200, 30, 30), (30, 200, 30), (30, 30, 200)][number // 40]
        frame[SIZE[1] // 2 + 16 :] = [(0, 0, 90), (90, 0, 0), (0, 90, 0)][number // 40]
        return frame

    path = clip(tmp_path / "a.mp4", steady(120), options=B_FRAMES, draw=scene)
    numbers, _ = taken(path, Sampling(scenes=True))
    assert numbers == [20, 60, 100]


def test_a_turned_film_is_shown_upright(tmp_path: Path) -> None:
    path = clip(tmp_path / "a.mp4", steady(24), options=B_FRAMES)
    with open_video(path) as video:
        assert (video.width, video.height) == SIZE
        lying = next(iter(video.at([0.0], None))).image
    data = bytearray(path.read_bytes())
    place = data.index(b"tkhd") + 4 + 40
    turned = (0, 1, 0, -1, 0, 0, 0, 0, 0x4000)  # by 90 degrees clockwise, as a telephone writes it
    for at, value in enumerate(turned):
        unit = 16384 if at == 8 else 65536
        number = 0x40000000 if at == 8 else value * unit
        data[place + 4 * at : place + 4 * at + 4] = (number & 0xFFFFFFFF).to_bytes(4, "big")
    path.write_bytes(data)
    with open_video(path) as video:
        assert (video.width, video.height) == SIZE[::-1]
        upright = next(iter(video.at([0.0], None))).image
    assert upright.size == SIZE[::-1]
    difference = np.abs(np.asarray(upright.rotate(90, expand=True), int) - np.asarray(lying, int))
    assert difference.mean() < 0.5


def test_wide_pixels_are_shown_square(tmp_path: Path) -> None:
    path = tmp_path / "a.mkv"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=25)
        stream.width, stream.height, stream.pix_fmt = 180, 96, "yuv420p"
        stream.codec_context.sample_aspect_ratio = 2
        for _ in range(5):
            frame = av.VideoFrame.from_ndarray(numbered(1, (180, 96))[:, :180], format="rgb24")
            for packet in stream.encode(frame):
                container.mux(packet)
        container.mux(stream.encode(None))
    with open_video(path) as video:
        assert (video.width, video.height) == (360, 96)
        assert next(iter(video.at([0.0], None))).image.size == (360, 96)


def test_large_frames_are_reduced_but_not_below_what_is_needed(tmp_path: Path) -> None:
    path = clip(tmp_path / "a.mp4", steady(5), size=(960, 640), options=B_FRAMES)
    with open_video(path) as video:
        assert next(iter(video.at([0.0], 100))).image.size == (320, 213)
        assert (video.width, video.height) == (960, 640)


def test_limits_hold(tmp_path: Path) -> None:
    path = clip(tmp_path / "a.mp4", steady(50), options=B_FRAMES)
    with pytest.raises(MediaError) as pixels, open_video(path, Limits(pixels=1000)):
        pass
    assert pixels.value.reason is Reason.TOO_LARGE
    with pytest.raises(MediaError) as late, open_video(path, Limits(video_seconds=1e-6)):
        pass
    assert late.value.reason is Reason.TIMEOUT


@pytest.mark.slow
def test_exactness_costs_at_most_a_fifth_more_than_bare_seeks(tmp_path: Path) -> None:
    count, size = 600, (640, 360)
    path = clip(tmp_path / "a.mp4", steady(count), size=size,
                options={"bf": "2", "g": "120", "preset": "ultrafast"})  # fmt: skip
    middles = [24.0 * (part + 0.5) / 12 for part in range(12)]

    def bare() -> list[int]:
        found = []
        with av.open(str(path)) as container:
            stream = container.streams.video[0]
            stream.thread_type, stream.thread_count = "NONE", 1
            for middle in middles:
                container.seek(int(middle / stream.time_base), stream=stream)
                for frame in container.decode(stream):
                    if frame.pts * stream.time_base + frame.duration * stream.time_base > middle:
                        found.append(number_of(frame.to_image()))
                        break
        return found

    def ours() -> list[int]:
        with open_video(path) as video:
            return [number_of(one.image) for one in sampled(video, Sampling())]

    assert ours() == bare() == expected(steady(count), 24.0)
    spent: dict[str, list[float]] = {"bare": [], "ours": []}
    for _ in range(4):
        for name, loop in (("bare", bare), ("ours", ours)):
            started = time.process_time()
            loop()
            spent[name].append(time.process_time() - started)
    assert min(spent["ours"]) <= 1.2 * min(spent["bare"]), spent
