"""The process in which files are opened: read, hash, decode, shape; it may die, nothing else does.

Messages over the connection, in order: the parent sends a `Task`; the worker answers with the
SHA-256 of the bytes, the parent whether to go on; the worker answers with a `Result`. A MediaError
takes the place of either answer.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import signal
import sys
from dataclasses import dataclass
from multiprocessing.connection import Connection

import numpy as np

from indexer.decode import Limits, decode_image, peek_pixels, read_file
from indexer.errors import MediaError
from indexer.preprocess import needed, prepare
from indexer.types import Preset, Reason

MEMORY_LIMIT = 1700 << 20  # bytes of address space


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
    """A prepared picture: the bytes of (size, size, 3) uint8, and what the original was."""

    data: bytes
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
    try:
        data = read_file(task.raw, limits=limits)
        opened = Opened(hashlib.sha256(data).hexdigest(), peek_pixels(data))
        connection.send(opened)
        if not connection.recv():
            return
        decoded = decode_image(data, limits=limits, at_least=needed(preset))
        pixels = prepare(decoded.image, preset)
        answer: Result | Problem = Result(
            np.ascontiguousarray(pixels).tobytes(), decoded.width, decoded.height, decoded.format
        )
    except MediaError as error:
        answer = Problem(error.reason.value, error.message)
    except MemoryError:
        answer = Problem(Reason.TOO_LARGE.value, "the picture does not fit into memory")
    except (EOFError, BrokenPipeError, ConnectionResetError):
        raise
    except Exception as error:  # the border of the process: nothing may get past it unnamed
        answer = Problem(Reason.INTERNAL.value, f"{type(error).__name__}: {error}")
    connection.send(answer)


def _be_quiet_and_modest() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides when to stop
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, 2)  # C libraries write warnings there
    with contextlib.suppress(ImportError, ValueError, OSError):
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (MEMORY_LIMIT, MEMORY_LIMIT))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


if __name__ == "__main__":
    main(int(sys.argv[1]))
