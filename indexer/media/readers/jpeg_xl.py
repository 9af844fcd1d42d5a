"""JPEG XL, through libjxl, which does not tell the times of frames: they are read as pages."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from functools import cached_property
from typing import Any

import imagecodecs
import numpy as np
import numpy.typing as npt
from PIL import Image

from indexer.errors import MediaError
from indexer.media.depth import Deep
from indexer.media.readers.lazy import LazyImage
from indexer.types import Reason

MOST_FRAMES = 2000
_CODESTREAM = b"\xff\x0a"
_RATIOS = ((0, 0), (1, 1), (12, 10), (4, 3), (3, 2), (16, 9), (5, 4), (2, 1))


class JpegXl:
    """The frames of a JPEG XL file; see `indexer.media.stills.Stills`."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._header = CodestreamHeader(data)

    def __len__(self) -> int:
        return self._count

    @cached_property
    def _count(self) -> int:
        return _count(self._data) if self._header.animated else 1

    def open(self, number: int) -> Image.Image:
        """See `indexer.media.stills.Stills.open`."""
        return JpegXlFrame(self._data, size=self._header.size, number=number)


class JpegXlFrame(LazyImage):
    """One frame."""

    format = "JXL"

    def _open(self) -> None:
        self._size, self._mode = self.options["size"], "RGB"

    def _decode(self) -> Image.Image:
        values = imagecodecs.jpegxl_decode(self.data, index=self.options["number"], numthreads=1)
        values = values.reshape(*values.shape[:2], -1)
        return Deep(values[..., :4], scaled=values.dtype.kind == "f").shown()


class CodestreamHeader:
    """What a JPEG XL file says of its size before anything is decoded (ISO 18181-1, annex D).

    Raise ValueError or SyntaxError where it cannot be read.
    """

    def __init__(self, data: bytes) -> None:
        self._bits = int.from_bytes(_codestream(data)[2:66], "little")
        self.size = self._dimensions()
        self.animated = self._is_animated()

    def _take(self, count: int) -> int:
        value = self._bits & ((1 << count) - 1)
        self._bits >>= count
        return value

    def _dimensions(self) -> tuple[int, int]:
        small = self._take(1)
        height = self._side(small)
        ratio = self._take(3)
        across, down = _RATIOS[ratio]
        width = height * across // down if ratio else self._side(small)
        return width, height

    def _side(self, small: int) -> int:
        if small:
            return 8 * (1 + self._take(5))
        return 1 + self._take((9, 13, 18, 30)[self._take(2)])

    def _is_animated(self) -> bool:
        if self._take(1) or not self._take(1):  # all as usual, or nothing of what follows
            return False
        self._take(3)  # orientation
        if self._take(1):
            self._dimensions()
        preview, animated = self._take(1), self._take(1)
        return bool(animated) and not preview


def _codestream(data: bytes) -> bytes:
    if data[:2] == _CODESTREAM:
        return data
    for name, content in _boxes(data):
        if name == b"jxlc":
            return content
        if name == b"jxlp":
            return content[4:]
    raise SyntaxError("the file holds no picture")


def _boxes(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    place = 0
    while place + 8 <= len(data):
        size, name = struct.unpack_from(">I4s", data, place)
        start = place + 8
        if size == 1:
            (size,) = struct.unpack_from(">Q", data, start)
            start += 8
        end = place + max(8, size) if size else len(data)
        yield name, data[start:end]
        place = end


def _count(data: bytes) -> int:
    """Return how many frames can be decoded, at least 1."""
    first = imagecodecs.jpegxl_decode(data, index=0, numthreads=1)
    least, beyond = 1, 2
    while beyond <= MOST_FRAMES and _has(data, beyond, first):
        least, beyond = beyond, 2 * beyond
    while beyond - least > 1:
        middle = (least + beyond) // 2
        least, beyond = (middle, beyond) if _has(data, middle, first) else (least, middle)
    if least >= MOST_FRAMES:
        message = f"expected at most {MOST_FRAMES} frames, got more; convert it to a film"
        raise MediaError(Reason.TOO_LARGE, message)
    return least


def _has(data: bytes, frames: int, first: npt.NDArray[Any]) -> bool:
    """Tell whether there are as many frames: where there are not, nothing is written."""
    marks = np.random.default_rng(0).bytes(first.nbytes)
    out = np.frombuffer(bytearray(marks), dtype=first.dtype).reshape(first.shape)
    imagecodecs.jpegxl_decode(data, index=frames - 1, numthreads=1, out=out)
    return out.tobytes() != marks
