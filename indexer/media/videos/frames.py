"""Frames of a video at chosen times, one at a time, so that memory does not grow with its length.

A video is a film that PyAV opens, a GIF or WebP animation, or a folder of frames. Times are
seconds since its first frame is shown; the frame at a time is the one a player shows then.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from io import BufferedReader
from pathlib import Path
from typing import Protocol

from PIL import Image

from indexer.errors import MediaError
from indexer.media.files import Limits, open_file, read_rest
from indexer.media.formats import SNIFFED, named_kind
from indexer.media.jpegs import is_motion_jpeg
from indexer.types import Reason, Span

DEFAULT_FRAMES = 12  # as detectors of face swaps sample a clip
_TWO_JPEGS = 1 << 25  # bytes in which a second picture of a stream begins
MOST_FRAMES = 2000  # of one video; what is asked for beyond is spaced more widely


@dataclass(frozen=True, kw_only=True)
class Sampling:
    """Which frames to take: ``frames`` evenly spaced, or ``fps`` a second, or one a scene.

    Each frame stands in the middle of an equal part of the video. There are at least
    ``least`` and at most ``most``, whatever the rate.
    """

    frames: int = DEFAULT_FRAMES
    fps: float | None = None
    scenes: bool = False
    least: int = 1
    most: int = MOST_FRAMES

    def __post_init__(self) -> None:
        if not 1 <= self.frames <= MOST_FRAMES:
            raise ValueError(f"expected 1 to {MOST_FRAMES} frames a video, got {self.frames}")
        if self.fps is not None and not 0 < self.fps <= 1000:
            raise ValueError(f"expected a rate above 0 frames a second, got {self.fps}")

    def edges(self, duration: float) -> list[float]:
        """Return where the equal parts of a video of ``duration`` seconds begin and end."""
        count = self.frames
        if self.fps is not None:
            count = max(self.least, math.ceil(round(duration * self.fps, 6)))
            count = min(self.most, count)
        return [duration * place / count for place in range(count + 1)]


@dataclass(frozen=True)
class Shown:
    """A frame as a player shows it: RGB, upright, and since when, in seconds."""

    time_s: float
    image: Image.Image


@dataclass(frozen=True)
class VideoFrame:
    """A frame that stands for a part of the video."""

    span: Span
    image: Image.Image


class Video(Protocol):
    """An open video; ``duration`` in seconds, ``width`` and ``height`` as it is shown.

    ``starts`` are the times of all frames, or empty where nobody has counted them.
    """

    width: int
    height: int
    duration: float
    format: str

    @property
    def starts(self) -> Sequence[float]:
        """See above."""

    def at(self, times: Sequence[float], at_least: int | None) -> Iterator[Shown]:
        """Yield the frame shown at each of rising ``times``, its shorter side ``at_least`` or more.

        Raise MediaError where no frame at all can be decoded.
        """

    def every(self, at_least: int | None) -> Iterator[Shown]:
        """Yield all frames in the order they are shown."""

    def close(self) -> None:
        """Let go of the file."""


@contextmanager
def open_video(path: bytes | Path, limits: Limits | None = None) -> Iterator[Video]:
    """Open a film; raise MediaError with the reason class where it is none, or broken."""
    with open_file(path) as file, closing(video_in(file, limits or Limits())) as video:
        yield video


def video_in(file: BufferedReader, limits: Limits) -> Video:
    """Return the video that an open file holds; raise MediaError as `open_video` does."""
    container = film_container(file)
    if not container:
        raise MediaError(Reason.NOT_MEDIA, "the bytes are no video of a known kind")
    from indexer.media.videos.film import Film

    file.seek(0)
    return Film(file, container, limits)


def holds_video(path: bytes | Path) -> bool:
    """Tell whether a path is read as a video; what cannot be read is none."""
    from indexer.media.videos.stills import frame_paths, is_animation

    try:
        if os.path.isdir(path):
            return bool(frame_paths(os.fsencode(path)))
        with open_file(path) as file:
            if film_container(file):
                return True
            file.seek(0)
            return is_animation(read_rest(file, Limits().bytes))
    except (MediaError, OSError):
        return False


def film_container(file: BufferedReader) -> str:
    """Return FFmpeg's name for what an open file is, "" where it is not to be read as a film."""
    file.seek(0)
    kind = named_kind(file.read(SNIFFED))
    if kind is None:
        return ""
    if kind.format == "JPEG":
        file.seek(0)
        return "mjpeg" if is_motion_jpeg(file.read(_TWO_JPEGS)) else ""
    return kind.container


def sampled(
    video: Video, sampling: Sampling, *, at_least: int | None = None
) -> Iterator[VideoFrame]:
    """Yield the chosen frames; one that is shown through several parts comes once for all."""
    edges = _edges(video, sampling)
    middles = [(first + last) / 2 for first, last in zip(edges, edges[1:], strict=False)]
    waiting: VideoFrame | None = None
    for place, shown in enumerate(video.at(middles, at_least)):
        since = edges[place]
        if waiting is not None and shown.time_s == waiting.span.time_s:
            since = waiting.span.from_s
        elif waiting is not None:
            yield waiting
        waiting = VideoFrame(Span(shown.time_s, since, edges[place + 1]), shown.image)
    if waiting is not None:
        yield waiting


def _edges(video: Video, sampling: Sampling) -> list[float]:
    if sampling.fps is None and 0 < len(video.starts) <= sampling.frames:
        return [*video.starts, video.duration]  # each frame, however short it is shown
    if not sampling.scenes:
        return sampling.edges(video.duration)
    from indexer.media.videos.scenes import scene_edges

    edges = scene_edges(video)
    step = math.ceil((len(edges) - 1) / sampling.most)
    return [*edges[:-1:step], edges[-1]]
