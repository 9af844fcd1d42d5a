"""Uploads are first opened in a process of their own, so that none takes the service down."""

from __future__ import annotations

import os
import queue
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import CancelledError
from contextlib import contextmanager
from pathlib import Path

from dfindex.server.http.departures import Stop
from indexer.closing import Closing
from indexer.corpus import FoundFile
from indexer.isolation.process import DecodeProcess
from indexer.media.files import Limits
from indexer.media.image import DecodedImage
from indexer.media.videos.frames import Sampling
from indexer.types import Preset

_PRESET = Preset(name="vetting", size=32)
_ONE_FRAME = Sampling(frames=1)
_PATIENCE = 0.1  # seconds between two looks at whether a job that waits is still wanted


class Vetting(Closing):
    """A few decoding processes; a picture that one of them could read is read by us as well."""

    def __init__(self, *, workers: int, limits: Limits) -> None:
        large = threading.Lock()
        self._all = [
            DecodeProcess(_PRESET, limits, large, _ONE_FRAME, keypoints=False)
            for _ in range(workers)
        ]
        self._idle: queue.SimpleQueue[DecodeProcess] = queue.SimpleQueue()
        for process in self._all:
            self._idle.put(process)

    def middle(self, path: Path, stop: Stop) -> float | None:
        """Return the time of a video's middle frame, None of a picture.

        Raise MediaError where a file is neither, or cannot be read within the limits.
        """
        found = FoundFile(raw=os.fsencode(path), path=path.name, size=0, mtime_ns=0)
        with self._process(stop) as process:
            prepared = process.prepare(found, lambda _: False)
        if prepared.problem is not None:
            raise prepared.problem
        return None if prepared.span is None else prepared.span.time_s

    def shown(
        self, path: Path, times: Sequence[float], stop: Stop, *, at_least: int, sha256: str
    ) -> list[DecodedImage]:
        """Return what an upload shows at rising times; raise MediaError."""
        with self._process(stop) as process:
            return process.shown(os.fsencode(path), times, at_least=at_least, sha256=sha256)

    def close(self) -> None:
        """End all processes."""
        for process in self._all:
            process.stop()

    @contextmanager
    def _process(self, stop: Stop) -> Iterator[DecodeProcess]:
        process = self._next(stop)
        try:
            with stop.ends(process.halt):
                yield process
        finally:
            if stop.called:
                process.stop()  # it was halted, or is about to be: the next starts anew
            self._idle.put(process)

    def _next(self, stop: Stop) -> DecodeProcess:
        while not stop.called:
            try:
                return self._idle.get(timeout=_PATIENCE)
            except queue.Empty:
                continue
        raise CancelledError
