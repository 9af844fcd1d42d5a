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


def read_unchanged(path: Path, sha256: str) -> bytes | None:
    """Return a file's bytes, None where they are not the ones with this SHA-256.

    Raise MediaError where it cannot be read.
    """
    data = read_file(path, limits=Limits())
    return data if hashlib.sha256(data).hexdigest() == sha256 else None


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
        raise MediaError(
            Reason.UNREADABLE, "the file grew while it was read; build again when it is complete"
        )
    return data


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
