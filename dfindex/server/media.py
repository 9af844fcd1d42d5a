"""The corpus' pictures for the page: thumbnails, and files, each only as it was indexed."""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path

from dfindex.index import Index
from dfindex.server.errors import Problem
from indexer.errors import UnavailableError
from indexer.types import Sample

SIZES = (64, 96, 160, 320, 640, 1280)
_SHOWN = {
    "JPEG": "image/jpeg",
    "MPO": "image/jpeg",
    "PNG": "image/png",
    "GIF": "image/gif",
    "WEBP": "image/webp",
    "AVIF": "image/avif",
    "BMP": "image/bmp",
}


@dataclass(frozen=True, kw_only=True)
class CorpusFile:
    """A file of the corpus whose bytes are still those that were indexed."""

    path: Path
    name: str
    media_type: str
    bytes: int


class PictureCache:
    """Encoded pictures by what they show, up to a number of bytes."""

    def __init__(self, most_bytes: int = 128 << 20) -> None:
        self._most = most_bytes
        self._guard = threading.Lock()
        self._kept: OrderedDict[tuple[object, ...], bytes] = OrderedDict()
        self._bytes = 0

    def get(self, key: tuple[object, ...]) -> bytes | None:
        """Return a picture, None where it is not kept."""
        with self._guard:
            if key in self._kept:
                self._kept.move_to_end(key)
            return self._kept.get(key)

    def put(self, key: tuple[object, ...], picture: bytes) -> None:
        """Keep a picture, and drop those not asked for the longest."""
        with self._guard:
            if key in self._kept:
                return
            self._kept[key] = picture
            self._bytes += len(picture)
            while self._bytes > self._most and len(self._kept) > 1:
                self._bytes -= len(self._kept.popitem(last=False)[1])


def fitting(size: int) -> int:
    """Return the kept size that is at least what was asked for."""
    return next((one for one in SIZES if one >= size), SIZES[-1])


def corpus_file(index: Index, sample: Sample) -> CorpusFile:
    """Return a sample's file; a 404 where it is gone or has changed."""
    path = path_of(index, sample)
    known = index.catalog.query("SELECT format, bytes FROM media WHERE sha256 = ?", [sample.sha256])
    format_, length = known[0]
    return CorpusFile(
        path=path,
        name=Path(sample.path).name,
        media_type=_SHOWN.get(format_, "application/octet-stream"),
        bytes=length,
    )


def path_of(index: Index, sample: Sample) -> Path:
    """Return where a sample's file is, as it was indexed; a 404 where it is not there any more."""
    try:
        return index.originals.path(sample)
    except UnavailableError as error:
        raise gone() from error


def gone() -> Problem:
    """Return the 404 for a file that is not there as it was indexed."""
    return Problem(
        404,
        "the file is gone, or has changed since it was indexed",
        "build the index again",
        "gone",
    )
