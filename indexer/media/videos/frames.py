"""Frames of a video at chosen times, one at a time: memory does not grow with its length."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from PIL import Image

from indexer.media.videos.scenes import scene_edges
from indexer.media.videos.video import Video
from indexer.types import Span

DEFAULT_FRAMES = 12  # as detectors of face swaps sample a clip
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
class VideoFrame:
    """A frame that stands for a part of the video."""

    span: Span
    image: Image.Image


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
    edges = scene_edges(video)
    step = math.ceil((len(edges) - 1) / sampling.most)
    return [*edges[:-1:step], edges[-1]]
