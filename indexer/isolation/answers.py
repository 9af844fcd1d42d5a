"""What a decoding process answers, in a fixed binary form of bounded size.

A file may take a decoder over. So its parent believes no more than numbers in their bounds and
short texts, and never unpickles what comes: an answer that makes no sense is a ValueError.

An answer begins with one letter of its kind; numbers are little-endian.
"""

from __future__ import annotations

import math
import re
import struct
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from indexer.keypoints import COUNT, ROW_BYTES, WORDS, Keypoints
from indexer.types import Reason, Span, UInt8

MOST_BYTES = 1 << 16
_MOST_SIDE = 1 << 31
_MESSAGE = 4000  # characters
_FORMAT = re.compile(r"[ -~]{0,40}")  # printable ASCII
_OPENED = struct.Struct("<32sQ")
_RESULT = struct.Struct("<IId???dddI")  # sizes, structure, three flags, span, page
_SEEN = struct.Struct("<IIII")
_REASONS = list(Reason)


@dataclass(frozen=True)
class Ready:
    """The process is there."""


@dataclass(frozen=True)
class Opened:
    """A file was read: the SHA-256 of its bytes, and how many pixels it claims to have."""

    sha256: str
    pixels: int


@dataclass(frozen=True)
class Result:
    """What the original was; the pixels, (size, size, 3) uint8, follow as bare bytes.

    ``keypoints`` are a row of `Keypoints`, ``structure`` is in levels, see `indexer.structure`. A
    frame has a ``span``, a page its number; ``last`` is False while more of its file follow.
    """

    width: int
    height: int
    format: str
    keypoints: UInt8
    structure: float
    span: Span | None
    page: int | None
    last: bool


@dataclass(frozen=True)
class Seen:
    """A picture as it was decoded, see `indexer.media.image.DecodedImage`; its RGB bytes follow."""

    size: tuple[int, int]
    width: int
    height: int
    format: str


@dataclass(frozen=True)
class ReadProblem:
    """Why a file could not be prepared."""

    reason: Reason
    message: str


Answer: TypeAlias = Ready | Opened | Result | Seen | ReadProblem


def pack(answer: Answer) -> bytes:
    """Return an answer's bytes."""
    match answer:
        case Ready():
            return b"!"
        case Opened():
            return b"O" + _OPENED.pack(bytes.fromhex(answer.sha256), answer.pixels)
        case Result():
            return b"R" + _packed(answer) + answer.keypoints.tobytes() + answer.format.encode()
        case Seen():
            numbers = _SEEN.pack(*answer.size, answer.width, answer.height)
            return b"S" + numbers + answer.format.encode()
        case ReadProblem():
            text = answer.message[:_MESSAGE].encode("utf-8", "surrogatepass")
            return b"P" + bytes([_REASONS.index(answer.reason)]) + text


def unpack(data: bytes) -> Answer:
    """Return the answer that some bytes are; raise ValueError for any that are none."""
    kind, rest = data[:1], data[1:]
    try:
        match kind:
            case b"!" if not rest:
                return Ready()
            case b"O":
                sha256, pixels = _OPENED.unpack(rest)
                return Opened(sha256.hex(), pixels)
            case b"R":
                return _result(rest)
            case b"S":
                across, down, width, height = _SEEN.unpack_from(rest)
                _check_sides(across, down, width, height)
                return Seen((across, down), width, height, _format(rest[_SEEN.size :]))
            case b"P":
                text = rest[1:].decode("utf-8", "surrogatepass")
                return ReadProblem(_REASONS[rest[0]], text[:_MESSAGE])
    except (IndexError, struct.error) as error:
        raise ValueError(f"an answer of kind {kind!r} that is none: {error}") from error
    raise ValueError(f"an answer of unknown kind {kind!r}")


def _packed(answer: Result) -> bytes:
    span = answer.span or Span(0.0, 0.0, 0.0)
    return _RESULT.pack(
        answer.width,
        answer.height,
        answer.structure,
        answer.span is not None,
        answer.page is not None,
        answer.last,
        span.time_s,
        span.from_s,
        span.until_s,
        answer.page or 0,
    )


def _result(rest: bytes) -> Result:
    width, height, structure, has_span, has_page, last, *times, page = _RESULT.unpack_from(rest)
    _check_sides(width, height)
    if not all(map(math.isfinite, (structure, *times))):
        raise ValueError("numbers that are none")
    row = np.frombuffer(rest, np.uint8, ROW_BYTES, _RESULT.size).copy()
    _check_keypoints(row)
    return Result(
        width=width,
        height=height,
        format=_format(rest[_RESULT.size + ROW_BYTES :]),
        keypoints=row,
        structure=structure,
        span=Span(*times) if has_span else None,
        page=page if has_page else None,
        last=last,
    )


def _check_keypoints(row: UInt8) -> None:
    # They are kept, and a word that is none would lead FAISS astray in every later search.
    count = int(row[:2].view(np.uint16)[0])
    if count > COUNT or int(Keypoints.from_row(row).words.max(initial=0)) >= WORDS:
        raise ValueError("keypoints that are none")


def _check_sides(*sides: int) -> None:
    if not all(1 <= side < _MOST_SIDE for side in sides):
        raise ValueError(f"sides of {sides} pixels")


def _format(data: bytes) -> str:
    text = data.decode("ascii")
    if not _FORMAT.fullmatch(text):
        raise ValueError("a format's name that is none")
    return text
