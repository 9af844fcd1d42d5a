"""Whether a picture's data end before the picture does, by the structure of its file."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator

_JUNK = 1 << 16  # bytes that may follow the end of a picture


def ends_early(data: bytes, format_: str) -> bool:
    """Tell whether a file that begins as a picture of ``format_`` lacks its end.

    False where the format does not say where it ends.
    """
    check = _CHECKS.get(format_)
    return check is not None and check(data)


def _jpeg(data: bytes) -> bool:
    return b"\xff\xd9" not in data[-_JUNK:]


def _png(data: bytes) -> bool:
    place = 8
    while place + 12 <= len(data):
        length, name = struct.unpack_from(">I4s", data, place)
        if name == b"IEND" or not name.isalpha():
            return False  # whole, or damaged: this is no chunk
        place += 12 + length
    return True


def _gif(data: bytes) -> bool:
    return b"\x3b" not in data[-_JUNK:]


def _riff(data: bytes) -> bool:
    return len(data) < 12 or struct.unpack_from("<I", data, 4)[0] + 8 > len(data)


def _bmp(data: bytes) -> bool:
    """Compare with the place of the pixels, and their number where they are not packed."""
    if len(data) < 34:
        return True
    (offset,) = struct.unpack_from("<I", data, 10)
    header, width, height, _, bits, packed = struct.unpack_from("<IiiHHI", data, 14)
    if header < 40 or packed not in (0, 3) or bits not in (1, 2, 4, 8, 16, 24, 32):
        return bool(offset >= len(data))
    return bool(offset + (abs(width) * bits + 31) // 32 * 4 * abs(height) > len(data))


def _boxes(data: bytes) -> bool:
    """Walk the boxes of an ISO media file, or of what is built like one."""
    return any(end > len(data) for end in _box_ends(data))


def _box_ends(data: bytes) -> Iterator[int]:
    place = 0
    while place < len(data):
        if place + 16 > len(data):
            yield len(data) + (place + 8 > len(data))
            return
        size, _, large = struct.unpack_from(">I4sQ", data, place)
        if size == 0:
            return  # to the end of the file
        place += max(8, large if size == 1 else size)
        yield place


def _tiff(data: bytes) -> bool:
    """Follow the directories' chain, and look where their strips and tiles lie."""
    from indexer.media.readers.tiff import ends

    return len(data) < 8 or ends(data) > len(data)


def _jpeg2000(data: bytes) -> bool:
    return (data[4:8] == b"jP  " and _boxes(data)) or b"\xff\xd9" not in data[-_JUNK:]


def _psd(data: bytes) -> bool:
    """Skip the three blocks before the merged picture."""
    place = 26
    for _ in range(3):
        if place + 4 > len(data):
            return True
        place += 4 + int(struct.unpack_from(">I", data, place)[0])
    return place + 2 > len(data)


_CHECKS: dict[str, Callable[[bytes], bool]] = {
    "JPEG": _jpeg,
    "MPO": _jpeg,
    "PNG": _png,
    "GIF": _gif,
    "WEBP": _riff,
    "BMP": _bmp,
    "AVIF": _boxes,
    "HEIF": _boxes,
    "TIFF": _tiff,
    "JPEG2000": _jpeg2000,
    "PSD": _psd,
}
