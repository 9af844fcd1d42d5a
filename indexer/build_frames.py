"""Frames and pages on their way into the index: held until their file is whole, frames thinned."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from indexer.store.writer import NewSample

# Cosine from which a frame shows what the one before it showed, and need not be kept beside it.
SAME = 0.995


class Assembly:
    """Holds what is in each file until the last has come, so that none is half indexed."""

    def __init__(self) -> None:
        self._frames: dict[bytes, list[NewSample]] = {}
        self._given_up: set[bytes] = set()

    def add(self, frame: NewSample, *, last: bool) -> list[NewSample]:
        """Take the next frame or page; return all that are kept once its file is whole, else none.

        A frame that shows what the one before it showed is not kept: that one then stands for
        its part of the video too. Every page is kept.
        """
        raw = frame.file.raw
        if raw in self._given_up:
            return []
        kept = self._frames.setdefault(raw, [])
        if kept and frame.page is None and float(np.dot(kept[-1].vector, frame.vector)) >= SAME:
            kept[-1] = replace(kept[-1], until_s=frame.until_s)
        else:
            kept.append(frame)
        return self._frames.pop(raw) if last else []

    def give_up(self, raw: bytes) -> None:
        """Forget a file that could not be read to its end, and what may still come of it."""
        self._frames.pop(raw, None)
        self._given_up.add(raw)
