"""The process in which files are opened: read, hash, decode, shape; it may die, nothing else does.

Messages over the connection, in order: the parent sends a `Task`; the worker answers with the
SHA-256 of the bytes, the parent whether to go on; the worker answers with a `Result` and, after
it, the pixels as bare bytes, not to copy them on the way. A `Problem` takes the place of either
answer.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from multiprocessing.connection import Connection

import numpy as np

from indexer.decode import Limits, decode_image, peek_pixels, read_file
from indexer.errors import MediaError
from indexer.preprocess import needed, prepare
from indexer.types import Preset, Reason

MEMORY_LIMIT = 1700 << 20  # bytes of address space
# The parent ends a worker that is late; by itself it ends only where the parent is gone.
_GRACE_SECONDS = 10.0


@dataclass(frozen=True)
class Task:
    """One file to prepare, by the bytes of its path."""

    raw: bytes


@dataclass(frozen=True)
class Opened:
    """A file was read: the SHA-256 of its bytes, and how many pixels it claims to have."""

    sha256: str
    pixels: int


@dataclass(frozen=True)
class Result:
    """What the original was; the pixels, (size, size, 3) uint8, follow as bare bytes."""

    width: int
    height: int
    format: str


@dataclass(frozen=True)
class Problem:
    """Why a file could not be prepared."""

    reason: str
    message: str


def main(descriptor: int) -> None:
    """Serve tasks until the parent hangs up."""
    _be_quiet_and_modest()
    connection = Connection(descriptor)
    with contextlib.suppress(EOFError, BrokenPipeError, ConnectionResetError):
        preset, limits = connection.recv()
        connection.send("ready")
        while True:
            _serve(connection, connection.recv(), preset, limits)


def _serve(connection: Connection, task: Task, preset: Preset, limits: Limits) -> None:
    answer: Opened | Result | Problem
    try:
        with _for_at_most(limits.seconds + _GRACE_SECONDS):
            data = read_file(task.raw, limits=limits)
            answer = Opened(hashlib.sha256(data).hexdigest(), peek_pixels(data))
    except Exception as error:
        connection.send(_problem(error))
        return
    connection.send(answer)
    if not connection.recv():
        return
    try:
        with _for_at_most(limits.seconds + _GRACE_SECONDS):
            decoded = decode_image(data, limits=limits, at_least=needed(preset))
            pixels = np.ascontiguousarray(prepare(decoded.image, preset))
    except Exception as error:
        connection.send(_problem(error))
        return
    connection.send(Result(decoded.width, decoded.height, decoded.format))
    _write(connection.fileno(), pixels.data.cast("B"))


def _write(descriptor: int, data: memoryview) -> None:
    while data:
        data = data[os.write(descriptor, data) :]


def _problem(error: Exception) -> Problem:
    """Name what went wrong; this is the border of the process, nothing gets past it unnamed."""
    if isinstance(error, MediaError):
        return Problem(error.reason.value, error.message)
    if isinstance(error, MemoryError):
        return Problem(Reason.TOO_LARGE.value, "the picture does not fit into memory")
    return Problem(Reason.INTERNAL.value, f"{type(error).__name__}: {error}")


@contextlib.contextmanager
def _for_at_most(seconds: float) -> Iterator[None]:
    """Have the system end this process after a time, whatever a C library is doing then."""
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


def _be_quiet_and_modest() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides when to stop
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, 2)  # C libraries write warnings there
    with contextlib.suppress(ImportError, ValueError, OSError):
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (MEMORY_LIMIT, MEMORY_LIMIT))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
