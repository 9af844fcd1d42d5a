"""Uploads are first opened in a process of their own, so that none takes the service down."""

from __future__ import annotations

import os
import queue
import threading
from pathlib import Path

from indexer.closing import Closing
from indexer.corpus import FoundFile
from indexer.decode_process import DecodeProcess
from indexer.files import Limits, read_file
from indexer.sniff import SNIFFED, named_kind
from indexer.types import Preset

_PRESET = Preset(name="vetting", size=32)


class Vetting(Closing):
    """A few decoding processes; a picture that one of them could read is read by us as well."""

    def __init__(self, *, workers: int, limits: Limits) -> None:
        large = threading.Lock()
        self._limits = limits
        self._all = [DecodeProcess(_PRESET, limits, large, keypoints=False) for _ in range(workers)]
        self._idle: queue.SimpleQueue[DecodeProcess] = queue.SimpleQueue()
        for process in self._all:
            self._idle.put(process)

    def check(self, path: Path) -> None:
        """Raise MediaError where a file is no picture that can be read within the limits."""
        kind = named_kind(read_file(path, limits=self._limits)[:SNIFFED])
        if kind is not None and kind.container:
            return  # a clip: frames are read within limits of their own
        process = self._idle.get()
        try:
            raw = os.fsencode(path)
            found = FoundFile(raw=raw, path=path.name, size=0, mtime_ns=0)
            problem = process.prepare(found, lambda _: False).problem
        finally:
            self._idle.put(process)
        if problem is not None:
            raise problem

    def close(self) -> None:
        """End all processes."""
        for process in self._all:
            process.stop()
