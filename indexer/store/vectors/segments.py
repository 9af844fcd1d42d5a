"""Segments: the immutable, checksummed files in which embeddings live.

A segment is a few files of one name. ``.cls`` is a .npy array (rows, dim) float16 of unit class
tokens; ``.patch`` is a .npy array (rows, bytes) uint8 of compressed patch tokens, and ``.points``
one of keypoints, each of their rows ending in its own CRC-32; ``.ids`` is sealed JSON that says
which sample each row belongs to, with all that is needed to rebuild the catalog, and holds the
checksums of the others. Where the encoder has a head of its own, ``.head`` is a .npy array (rows,
dim + labels) float32: what the head read, the class token as it was, and the logits that it gave.
"""

from __future__ import annotations

import io
import os
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from io import FileIO
from pathlib import Path
from typing import Any

import numpy as np

from indexer.errors import IndexDamagedError
from indexer.store.durable import (
    file_sha256,
    read_sealed_json,
    replace_file,
    unreadable,
    write_sealed_json,
)
from indexer.types import Float16, Float32, Int64, UInt8, unit

SUFFIXES = (".cls", ".patch", ".ids")
HEAD_SUFFIX, KEYPOINT_SUFFIX = ".head", ".points"
ALL_SUFFIXES = (*SUFFIXES, HEAD_SUFFIX, KEYPOINT_SUFFIX)
_CRC_BYTES = 4


@dataclass(frozen=True, kw_only=True)
class SegmentRow:
    """What the catalog must know of one row, kept beside the vector so it can be found again."""

    id: int
    sha256: str
    kind: str
    width: int
    height: int
    format: str
    raw_path: str  # hex of the file name's bytes
    size: int
    mtime_ns: int
    time_s: float | None = None
    from_s: float | None = None  # a frame stands for the part of its video from here
    until_s: float | None = None  # to here
    page: int | None = None  # from 1, of a file that holds several pictures
    structure: float | None = None  # levels, see `indexer.structure`; None where not measured
    box: tuple[int, int, int, int] | None = None
    relative_path: str | None = None  # as raw_path, seen from the index folder


@dataclass(frozen=True, kw_only=True)
class SegmentInfo:
    """A segment's name and origin: which space, how it was made."""

    id: int
    space: str
    device: str
    precision: str


def write_segment(
    folder: Path,
    info: SegmentInfo,
    rows: Sequence[SegmentRow],
    vectors: Float32 | Float16,
    patch_rows: UInt8,
    *,
    keypoint_rows: UInt8 | None = None,
    head_rows: Float32 | None = None,
) -> None:
    """Write a segment of unit ``vectors`` (n, dim) and compressed ``patch_rows`` (n, bytes).

    Vectors in float16 are those of another segment, and written as they are: rounded twice they
    would not be what they were.
    ``keypoint_rows`` (n, bytes) are rows of `Keypoints`; ``head_rows`` (n, dim + labels) are class
    tokens and logits, where the encoder has a head. The ``.ids`` file comes last, so that a
    segment with one is complete.
    """
    if not len(rows) == len(vectors) == len(patch_rows):
        raise ValueError(f"{len(rows)} rows, {len(vectors)} vectors, {len(patch_rows)} patch rows")
    base = segment_path(folder, info.id)
    halves = vectors if vectors.dtype == np.float16 else unit(vectors).astype(np.float16)
    replace_file(base.with_suffix(".cls"), lambda file: np.save(file, halves))
    replace_file(base.with_suffix(".patch"), lambda file: np.save(file, _with_crc(patch_rows)))
    more: dict[str, object] = {}
    if keypoint_rows is not None:
        path = base.with_suffix(KEYPOINT_SUFFIX)
        replace_file(path, lambda file: np.save(file, _with_crc(keypoint_rows)))
        more = {"points_sha256": file_sha256(path), "points_width": int(keypoint_rows.shape[1])}
    if head_rows is not None:
        path = base.with_suffix(HEAD_SUFFIX)
        replace_file(path, lambda file: np.save(file, head_rows.astype(np.float32)))
        more |= {"head_sha256": file_sha256(path), "head_width": int(head_rows.shape[1])}
    write_sealed_json(
        base.with_suffix(".ids"),
        {
            **asdict(info),
            **more,
            "cls_sha256": file_sha256(base.with_suffix(".cls")),
            "patch_sha256": file_sha256(base.with_suffix(".patch")),
            "patch_row_bytes": int(patch_rows.shape[1]),
            "dim": int(vectors.shape[1]),
            "rows": [asdict(row) for row in rows],
        },
    )


def segment_path(folder: Path, segment: int) -> Path:
    """Return the path of a segment's files, without suffix."""
    return folder / f"{segment:012d}"


class Segment:
    """Reads one segment, checking what it reads."""

    def __init__(self, folder: Path, segment: int) -> None:
        self._base = segment_path(folder, segment)
        self._header: dict[str, Any] | None = None

    @property
    def header(self) -> dict[str, Any]:
        """The contents of the ``.ids`` file, which must be those of this segment."""
        if self._header is None:
            path = self._base.with_suffix(".ids")
            header = read_sealed_json(path)
            # A whole segment in another's place has a seal that is in order.
            if (header["space"], header["id"]) != (path.parent.parent.name, int(path.stem)):
                raise IndexDamagedError(
                    f"{path} is the segment {header['id']} of the space {header['space']}, not "
                    "the one of its name; run dfindex doctor --repair"
                )
            self._header = header
        return self._header

    def info(self) -> SegmentInfo:
        """Return the segment's name and origin."""
        return SegmentInfo(
            **{name: self.header[name] for name in ("id", "space", "device", "precision")}
        )

    def rows(self) -> list[SegmentRow]:
        """Return what each row belongs to."""
        return [
            SegmentRow(**{**row, "box": tuple(row["box"]) if row["box"] else None})
            for row in self.header["rows"]
        ]

    def ids(self) -> Int64:
        """Return the sample ids (n,) int64, in the order of the rows."""
        return np.array([row["id"] for row in self.header["rows"]], dtype=np.int64)

    def vectors(self) -> Float32:
        """Return all unit vectors (n, dim) float32; raise IndexDamagedError on a wrong checksum."""
        return unit(self.halves().astype(np.float32))

    def halves(self) -> Float16:
        """Return all vectors (n, dim) float16 as they were written, of a length of about 1."""
        path = self._base.with_suffix(".cls")
        self._check(path, "cls_sha256")
        shape = (len(self.header["rows"]), self.header["dim"])
        return np.asarray(_load(path, shape, np.float16), dtype=np.float16)

    def patch_rows(self, rows: Sequence[int]) -> UInt8:
        """Return the compressed patch tokens of some rows (len(rows), bytes) uint8, checked."""
        return self._checked_rows(".patch", self.header["patch_row_bytes"], rows)

    def keypoint_rows(self, rows: Sequence[int]) -> UInt8 | None:
        """Return some rows of `Keypoints` (len(rows), bytes) uint8, None where there are none."""
        if "points_sha256" not in self.header:
            return None
        return self._checked_rows(KEYPOINT_SUFFIX, self.header["points_width"], rows)

    def _checked_rows(self, suffix: str, width: int, rows: Sequence[int]) -> UInt8:
        path = self._base.with_suffix(suffix)
        width += _CRC_BYTES
        picked = np.empty((len(rows), width), dtype=np.uint8)
        with _opened(path, (len(self.header["rows"]), width), np.uint8) as (file, offset):
            for into, row in zip(picked, rows, strict=True):
                file.seek(offset + int(row) * width)
                if file.readinto(into.data) != width:
                    raise _damaged(path)
        for one in picked:
            if _crc(one[:-_CRC_BYTES]) != one[-_CRC_BYTES:].tobytes():
                raise _damaged(path)
        return np.asarray(picked[:, :-_CRC_BYTES])

    def head_rows(self) -> Float32 | None:
        """Return class tokens and logits (n, dim + labels) float32, or None without a head."""
        if "head_sha256" not in self.header:
            return None
        path = self._base.with_suffix(HEAD_SUFFIX)
        self._check(path, "head_sha256")
        return _load(path, (len(self.header["rows"]), self.header["head_width"]), np.float32)

    def verify(self) -> None:
        """Read the whole segment against its checksums; raise IndexDamagedError."""
        self._check(self._base.with_suffix(".cls"), "cls_sha256")
        self._check(self._base.with_suffix(".patch"), "patch_sha256")
        for suffix, key in ((KEYPOINT_SUFFIX, "points_sha256"), (HEAD_SUFFIX, "head_sha256")):
            if key in self.header:
                self._check(self._base.with_suffix(suffix), key)

    def _check(self, path: Path, key: str) -> None:
        with unreadable(path):
            matches = file_sha256(path) == self.header[key]
        if not matches:
            raise _damaged(path)


def segment_bytes(folder: Path, segment: int) -> int:
    """Return the size of a segment's files on disk."""
    base = segment_path(folder, segment)
    files = [base.with_suffix(suffix) for suffix in ALL_SUFFIXES]
    return sum(file.stat().st_size for file in files if file.exists())


def _with_crc(rows: UInt8) -> UInt8:
    checks = np.array([np.frombuffer(_crc(row), dtype=np.uint8) for row in rows], dtype=np.uint8)
    return np.concatenate([rows, checks.reshape(len(rows), _CRC_BYTES)], axis=1)


def _crc(row: UInt8) -> bytes:
    return zlib.crc32(row.tobytes()).to_bytes(_CRC_BYTES, "little")


def _load(path: Path, shape: tuple[int, int], dtype: type[np.generic]) -> np.ndarray[Any, Any]:
    """Read a .npy file of this shape and type."""
    with _opened(path, shape, dtype) as (file, offset):
        file.seek(offset)
        data = file.read()
    if len(data) != int(np.prod(shape)) * np.dtype(dtype).itemsize:
        raise _damaged(path)
    return np.frombuffer(data, dtype=dtype).reshape(shape).copy()


@contextmanager
def _opened(
    path: Path, shape: tuple[int, int], dtype: type[np.generic]
) -> Iterator[tuple[FileIO, int]]:
    """Open a .npy file, and tell where its numbers begin.

    It must have this very header, which NumPy's own reader would guess at. It is read, not
    mapped: a disk that fails under a map ends the process.
    """
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        header,
        {"descr": np.dtype(dtype).str, "fortran_order": False, "shape": shape},
    )
    offset = header.tell()
    size = offset + int(np.prod(shape)) * np.dtype(dtype).itemsize
    with unreadable(path), path.open("rb", buffering=0) as file:
        if file.read(offset) != header.getvalue() or os.fstat(file.fileno()).st_size != size:
            raise _damaged(path)
        yield file, offset


def _damaged(path: Path) -> IndexDamagedError:
    return IndexDamagedError(
        f"{path} does not match its checksum; run dfindex doctor --repair, then dfindex build to "
        "embed again what was lost"
    )
