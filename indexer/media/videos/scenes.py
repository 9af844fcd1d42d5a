"""Where the scenes of a video change: both sides of a cut differ more than frames around it do."""

from __future__ import annotations

from collections import deque

import numpy as np
from PIL import Image

from indexer.media.videos.video import Video
from indexer.types import UInt8

SIDE = 32  # pixels: each frame is looked at as a small square
STRONGEST = 0.1  # mean difference of two frames, of the whole range, that may be a cut
TIMES_USUAL = 4.0  # so many times the usual difference of the last frames
USUAL = 12  # frames
SHORTEST = 0.5  # seconds: a flash is no scene


def scene_edges(video: Video) -> list[float]:
    """Return where the scenes of a video begin, and where the last one ends, in seconds."""
    edges = [0.0]
    before: UInt8 | None = None
    usual: deque[float] = deque([0.0], maxlen=USUAL)
    for shown in video.every(SIDE):
        frame = _small(shown.image)
        if before is not None:
            change = float(np.abs(frame.astype(np.int16) - before).mean() / 255)
            cut = change > STRONGEST and change > TIMES_USUAL * float(np.median(usual))
            if cut and shown.time_s - edges[-1] >= SHORTEST:
                edges.append(shown.time_s)
            usual.append(change)
        before = frame
    return [*edges, video.duration]


def _small(image: Image.Image) -> UInt8:
    return np.asarray(image.resize((SIDE, SIDE), Image.Resampling.BOX))
