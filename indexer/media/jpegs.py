"""JPEGs one behind the other in a file: a recorder's stream, or a camera's second pictures."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

_NEXT = re.compile(rb"\xff\xd9\x00{0,32}\xff\xd8\xff")
_MARKER = re.compile(rb"\xff[^\x00\x01\xd0-\xd8\xff]")
_PADDING = 64
_BEGINNING = b"\xff\xd8\xff"


@dataclass(frozen=True)
class Extent:
    """Where a JPEG begins, its first scan begins, and it ends; its size as in its header."""

    start: int
    scan: int
    end: int
    size: bytes


def extent(data: bytes, start: int) -> Extent | None:
    """Follow the markers of a JPEG from its first to its last; None where it lacks its end."""
    size, scan = b"", 0
    place = start + 2
    while (found := _MARKER.search(data, place)) is not None:
        marker, place = data[found.end() - 1], found.end()
        if marker == 0xD9:
            return Extent(start, scan, place, size)
        length = int.from_bytes(data[place : place + 2], "big")
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            size = data[place + 3 : place + 7]
        elif marker == 0xDA:
            scan = scan or place
        place += length
    return None


def extents(data: bytes) -> Iterator[Extent]:
    """Yield where each JPEG lies; those behind the last whole one are not told."""
    place = 0
    while place >= 0 and (found := extent(data, place)) is not None:
        yield found
        place = data.find(_BEGINNING, found.end)


def is_motion_jpeg(data: bytes) -> bool:
    """Tell a film of JPEGs, one behind the other, from a JPEG, whatever else may follow that.

    The pictures of such a film have one size, and the first says nothing of those behind it.
    """
    if _NEXT.search(data) is None:
        return False
    first = extent(data, 0)
    if first is None or b"MPF\0" in data[: first.scan]:
        return False
    place = data.find(b"\xff\xd8", first.end, first.end + _PADDING)
    second = extent(data, place) if place >= 0 else None
    return second is not None and second.size == first.size
