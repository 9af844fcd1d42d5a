"""The corpus' pictures for the page: thumbnails, and files, each only as it was indexed."""

from __future__ import annotations

import contextlib
import os
import threading
import time
from dataclasses import dataclass
from pathlib import Path

from cachetools import FIFOCache, LRUCache

from dfindex.index import Index
from dfindex.server.http.errors import Problem
from indexer.errors import UnavailableError
from indexer.media.formats import media_type
from indexer.originals import CheckedFile, Stamp
from indexer.types import Sample

_TICK_NS = 2_000_000_000  # as file systems count time at the most
SIZES = (64, 96, 160, 320, 640, 1280)


@dataclass(frozen=True)
class CorpusFile:
    """An open file of the corpus whose bytes are still those that were indexed."""

    checked: CheckedFile
    name: str
    media_type: str


class PictureCache:
    """Encoded pictures by what they show, up to a number of bytes."""

    def __init__(self, most_bytes: int = 128 << 20) -> None:
        self._guard = threading.Lock()
        self._kept: LRUCache[tuple[object, ...], bytes] = LRUCache(most_bytes, getsizeof=len)

    def get(self, key: tuple[object, ...]) -> bytes | None:
        """Return a picture, None where it is not kept."""
        with self._guard:
            return self._kept.get(key)

    def put(self, key: tuple[object, ...], picture: bytes) -> None:
        """Keep a picture, and drop those not asked for the longest."""
        with self._guard, contextlib.suppress(ValueError):  # one that is larger than all may be
            self._kept[key] = picture


def fitting(size: int) -> int:
    """Return the kept size that is at least what was asked for."""
    return next((one for one in SIZES if one >= size), SIZES[-1])


class Unchanged:
    """Remembers which files were what was indexed: a browser asks for a film part by part."""

    def __init__(self, most: int = 4096) -> None:
        self._guard = threading.Lock()
        self._stamps: FIFOCache[Stamp, None] = FIFOCache(most)

    def __contains__(self, stamp: object) -> bool:
        with self._guard:
            return stamp in self._stamps

    def add(self, stamp: Stamp) -> None:
        """Remember a file, and forget the one that was added first.

        One that was written to just now is not remembered: the next writing may get the same time.
        """
        if time.time_ns() - max(stamp[1][-2:]) < _TICK_NS:
            return
        with self._guard:
            self._stamps[stamp] = None


def corpus_file(index: Index, sample: Sample, unchanged: Unchanged) -> CorpusFile:
    """Open a sample's file; a 404 where it is none, UnavailableError where it is gone."""
    try:
        checked = index.originals.file(sample, known=unchanged)
    except UnavailableError as error:
        files = index.catalog.files_of([sample.id])[sample.id]
        if any(Path(os.fsdecode(one.raw)).is_dir() for one in files):
            raise _folder() from error
        raise
    unchanged.add(checked.stamp)
    format_ = index.catalog.encoding(sample.id).format
    head = os.pread(checked.file.fileno(), 64, 0)
    return CorpusFile(checked, name=Path(sample.path).name, media_type=media_type(format_, head))


def _folder() -> Problem:
    return Problem(
        404,
        "this is a frame of a folder of pictures, which is no file",
        "look at its thumbnail",
        "folder",
    )
