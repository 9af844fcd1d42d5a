"""Small videos for tests, each frame of which carries its number where any codec keeps it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from PIL import Image

from benchmarks.service.long_film import long_film
from indexer.types import UInt8

BITS = 12
CELL = 16  # pixels
CLOCK = 1000  # ticks a second of the clips' time base
SIZE = (BITS * CELL, 96)


def numbered(number: int, size: tuple[int, int] = SIZE) -> UInt8:
    """Return a frame (h, w, 3) uint8: a slow pattern, its number as black and white squares."""
    width, height = SIZE
    y, x = np.mgrid[:height, :width]
    wave = 128 + 60 * np.sin((x + 3 * number) / 17) * np.cos((y - number) / 13)
    frame = np.repeat(wave[..., None], 3, axis=2).astype(np.uint8)
    for bit in range(BITS):
        value = 255 if number >> bit & 1 else 0
        frame[height // 2 : height // 2 + CELL, bit * CELL : (bit + 1) * CELL] = value
    return frame if size == SIZE else np.asarray(Image.fromarray(frame).resize(size))


def number_of(image: Image.Image) -> int:
    """Read a frame's number back."""
    grey = np.asarray(image.convert("L").resize(SIZE), dtype=np.float64)
    top = SIZE[1] // 2 + CELL // 4
    rows = grey[top : top + CELL // 2].reshape(CELL // 2, BITS, CELL)
    means = rows[:, :, CELL // 4 : -CELL // 4].mean(axis=(0, 2))
    return int(sum(1 << bit for bit in range(BITS) if means[bit] > 128))


def clip(
    path: Path,
    times: Sequence[float],
    *,
    codec: str = "libx264",
    options: dict[str, str] | None = None,
    size: tuple[int, int] = SIZE,
    pixels: str = "yuv420p",
    draw: Callable[[int], UInt8] | None = None,
    container_options: dict[str, str] | None = None,
) -> Path:
    """Write a video whose n-th frame is ``numbered(n)``, shown at ``times[n]`` seconds."""
    with av.open(str(path), "w", options=container_options or {}) as container:
        stream = container.add_stream(codec, rate=Fraction(25), options=options or {})
        stream.width, stream.height = size
        stream.pix_fmt = pixels
        stream.codec_context.time_base = Fraction(1, CLOCK)
        stream.time_base = Fraction(1, CLOCK)
        for number, seconds in enumerate(times):
            drawn = numbered(number, size) if draw is None else draw(number)
            frame = av.VideoFrame.from_ndarray(drawn, format="rgb24")
            frame.pts, frame.time_base = round(seconds * CLOCK), Fraction(1, CLOCK)
            for packet in stream.encode(frame):
                container.mux(packet)
        for packet in stream.encode(None):
            container.mux(packet)
    return path


def endless(path: Path, seconds: int) -> Path:
    """Write a film that takes long to read: of some megabytes, and only its first frame is key."""
    return long_film(path, seconds, base=(90, 160), scale=8, crf=35, preset="ultrafast")


def steady(count: int, rate: float = 25.0, start: float = 0.0) -> list[float]:
    """Return the times of ``count`` frames at a constant rate."""
    return [start + number / rate for number in range(count)]


def uneven(count: int, seed: int = 0, start: float = 0.0) -> list[float]:
    """Return the times of ``count`` frames that are shown for 10 to 250 ms each."""
    rng = np.random.default_rng(seed)
    steps = rng.integers(10, 250, count - 1) / CLOCK
    return [start, *(start + np.cumsum(steps)).round(3).tolist()]
