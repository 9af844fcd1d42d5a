"""AVIF: a collection of pictures is told from one; Pillow reads only the first of them."""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator

from PIL import AvifImagePlugin, Image

from indexer.errors import MediaError
from indexer.types import Reason

_PICTURES = (b"av01", b"grid")
_HIDDEN = 1


def open_avif(data: bytes) -> Image.Image:
    """Open an AVIF; raise MediaError where it holds several pictures side by side."""
    count = pictures_in(data)
    if count > 1:
        message = (
            f"the file holds {count} pictures side by side, of which only the first could be read; "
            "save each as a file of its own"
        )
        raise MediaError(Reason.UNSUPPORTED, message)
    return AvifImagePlugin.AvifImageFile(io.BytesIO(data))


def pictures_in(data: bytes) -> int:
    """Return how many of a file's items are pictures that are shown, not parts of others.

    Thumbnails, alpha, gain maps and the tiles of a grid are parts (ISO 23008-12, clause 6).
    """
    try:
        meta = next(content for name, content in _boxes(data) if name == b"meta")
        boxes = dict(_boxes(meta[4:]))
        shown = set(_items(boxes.get(b"iinf", b"")))
        return len(shown - set(_parts(boxes.get(b"iref", b""))))
    except (StopIteration, struct.error):
        return 1  # Pillow says what is wrong


def _items(iinf: bytes) -> Iterator[int]:
    start = 6 if iinf[:1] == b"\0" else 8
    for name, info in _boxes(iinf[start:]):
        if name != b"infe" or info[0] not in (2, 3):
            continue
        wide = info[0] == 3
        number, kind = struct.unpack_from(">I2x4s" if wide else ">H2x4s", info, 4)
        if kind in _PICTURES and not info[3] & _HIDDEN:
            yield number


def _parts(iref: bytes) -> Iterator[int]:
    size = ">I" if iref[:1] == b"\1" else ">H"
    width = struct.calcsize(size)
    for name, content in _boxes(iref[4:]):
        (source,) = struct.unpack_from(size, content)
        if name in (b"thmb", b"auxl"):
            yield source
        elif name == b"dimg":
            for place in range(width + 2, len(content) - width + 1, width):
                yield struct.unpack_from(size, content, place)[0]


def _boxes(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    place = 0
    while place + 8 <= len(data):
        size, name = struct.unpack_from(">I4s", data, place)
        end = place + max(8, size) if size else len(data)
        yield name, data[place + 8 : end]
        place = end
