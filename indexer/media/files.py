"""Read a file's bytes: only files, only as many as are allowed, only what was meant."""

from __future__ import annotations

import hashlib
import os
import stat
from dataclasses import dataclass
from io import BufferedReader
from pathlib import Path

from indexer.errors import MediaError
from indexer.types import Reason

_PART = 1 << 20  # bytes


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What one file may cost: pixels of a picture or frame, bytes, seconds.

    A video is not held in memory, so it may be larger; ``seconds`` are then those of each frame,
    ``video_seconds`` those of all.
    """

    pixels: int = 178_956_970
    bytes: int = 1 << 30
    seconds: float = 60.0
    video_bytes: int = 1 << 36
    video_seconds: float = 900.0


def read_file(path: bytes | Path, *, limits: Limits) -> bytes:
    """Return a file's bytes; raise MediaError where it is none, empty, too large or unreadable."""
    with open_file(path) as file:
        return read_rest(file, limits.bytes)


def open_file(path: bytes | Path) -> BufferedReader:
    """Open a file for reading; raise MediaError where it is none, or cannot be read."""
    try:
        _expect_file(os.stat(path))
        # What was a file may be a pipe by now, which would block for ever; opened so it does not.
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))
        file = os.fdopen(descriptor, "rb")
        try:
            _expect_file(os.fstat(descriptor))
        except MediaError:
            file.close()
            raise
    except OSError as error:
        raise _unreadable(path, error) from error
    return file


def read_rest(file: BufferedReader, most: int) -> bytes:
    """Return all bytes of an open file; raise MediaError where there are none, or too many."""
    try:
        size = os.fstat(file.fileno()).st_size
        check_bytes(size, most)
        file.seek(0)
        data = file.read(size + 1)
    except OSError as error:
        raise _unreadable("the file", error) from error
    if len(data) > size:
        raise _grew()
    return data


def digest_of(file: BufferedReader, most: int) -> str:
    """Return the SHA-256 of an open file; raise MediaError as `read_rest` does."""
    digest = hashlib.sha256()
    try:
        size = os.fstat(file.fileno()).st_size
        check_bytes(size, most)
        file.seek(0)
        while part := file.read(_PART):
            digest.update(part)
            if file.tell() > size:
                raise _grew()
    except OSError as error:
        raise _unreadable("the file", error) from error
    return digest.hexdigest()


def stamp_of(file: BufferedReader) -> tuple[int, ...]:
    """Return what changes where an open file is written to."""
    status = os.fstat(file.fileno())
    times = (status.st_mtime_ns, status.st_ctime_ns)
    return (status.st_dev, status.st_ino, status.st_size, *times)


def _grew() -> MediaError:
    return MediaError(
        Reason.UNREADABLE, "the file grew while it was read; build again when it is complete"
    )


def _unreadable(path: bytes | Path | str, error: OSError) -> MediaError:
    name = os.fsencode(path).decode("utf-8", "backslashreplace")
    return MediaError(Reason.UNREADABLE, f"{name} cannot be read: {error.strerror or error}")


def check_bytes(size: int, most: int) -> None:
    """Raise MediaError where a file has more bytes than are allowed, or none."""
    if size > most:
        raise too_large(f"{size} bytes", f"{most} bytes")
    if not size:
        raise MediaError(Reason.EMPTY, "the file has no bytes")


def _expect_file(status: os.stat_result) -> None:
    if stat.S_ISDIR(status.st_mode):
        raise MediaError(Reason.NOT_MEDIA, "expected a file, but this is a folder")
    if not stat.S_ISREG(status.st_mode):
        raise MediaError(Reason.NOT_MEDIA, "expected a file, but this is a pipe, socket or device")


def too_large(got: str, allowed: str) -> MediaError:
    """Say what a limit is, and what was above it."""
    return MediaError(
        Reason.TOO_LARGE, f"expected at most {allowed}, got {got}; raise the limit to read it"
    )
