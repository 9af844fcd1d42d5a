"""The process in which files are opened: read, hash, decode, shape; it may die, nothing else does.

Messages over the connection, in order: the parent sends a `Task`; the worker answers with the
SHA-256 of the bytes, the parent whether to go on; the worker answers with a `Result` and, after
it, the pixels as bare bytes, not to copy them on the way; with more of both for each further frame
of a video, or page. Where the task is to look at some times, a `Seen` and its pixels come for each
of them. A `ReadProblem` takes the place of any answer and ends them.
"""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Iterator
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection

import cv2
import numpy as np

from indexer.errors import MediaError
from indexer.isolation.answers import Answer, Opened, ReadProblem, Ready, Result, Seen, pack
from indexer.keypoints import Keypoints, keypoints
from indexer.media.files import Limits
from indexer.media.source import Media, Taken
from indexer.media.videos.frames import Sampling
from indexer.preprocess import needed, prepare
from indexer.structure import structure
from indexer.types import Preset, Reason, UInt8

MEMORY_LIMIT = 1700 << 20  # bytes of address space
# The parent ends a worker that is late; by itself it ends only where the parent is gone.
_GRACE_SECONDS = 10.0
_NICE = 5  # who answers people goes first: a film takes a core for a minute


@dataclass(frozen=True)
class Job:
    """How all files are to be prepared; videos are refused where there is no ``sampling``.

    ``keypoints`` are looked for, or else every picture has none.
    """

    preset: Preset
    limits: Limits
    sampling: Sampling | None = None
    keypoints: bool = True


@dataclass(frozen=True)
class LookJob:
    """Which pictures of a file are wanted as they are: those shown at rising times, in seconds.

    Their shorter side is to have ``at_least`` as many pixels, if it has.
    """

    times: tuple[float, ...]
    at_least: int


@dataclass(frozen=True)
class Task:
    """One file, by the bytes of its path: to prepare, or to look at."""

    raw: bytes
    look: LookJob | None = None


def main(descriptor: int) -> None:
    """Serve tasks until the parent hangs up."""
    _be_quiet_and_modest()
    connection = Connection(descriptor)
    with contextlib.suppress(EOFError, BrokenPipeError, ConnectionResetError):
        job: Job = connection.recv()
        _answer(connection, Ready())
        while True:
            _serve(connection, connection.recv(), job)


def _serve(connection: Connection, task: Task, job: Job) -> None:
    try:
        with _for_at_most(job.limits.seconds + _GRACE_SECONDS):
            media = Media(task.raw, job.limits, job.sampling)
    except Exception as error:
        _answer(connection, _problem(error))
        return
    with media:
        _answer(connection, Opened(media.sha256, media.pixels))
        if not connection.recv():
            return
        if task.look is None:
            _send_pictures(connection, media, job)
        else:
            _send_shown(connection, media, task.look, job)


def _send_pictures(connection: Connection, media: Media, job: Job) -> None:
    """Send one picture after the other; each waits for the next, to know whether it is the last."""
    shaped = _shaped(media, job)
    waiting: tuple[Result, UInt8] | None = None
    while True:
        try:
            with _for_at_most(job.limits.seconds + _GRACE_SECONDS):
                following = next(shaped, None)
        except Exception as error:
            _answer(connection, _problem(error))
            return
        if waiting is not None:
            result, pixels = waiting
            _answer(connection, replace(result, last=following is None))
            _write(connection.fileno(), pixels.data.cast("B"))
        if following is None:
            return
        waiting = following


def _send_shown(connection: Connection, media: Media, look: LookJob, job: Job) -> None:
    shown = media.at(look.times, look.at_least)
    for _ in look.times:
        try:
            with _for_at_most(job.limits.seconds + _GRACE_SECONDS):
                decoded = next(shown)
        except Exception as error:
            _answer(connection, _problem(error))
            return
        image = decoded.image.convert("RGB")
        _answer(connection, Seen(image.size, decoded.width, decoded.height, decoded.format))
        _write(connection.fileno(), memoryview(image.tobytes()))


def _shaped(media: Media, job: Job) -> Iterator[tuple[Result, UInt8]]:
    for taken in media.pictures(needed(job.preset)):
        pixels = np.ascontiguousarray(prepare(taken.image, job.preset))
        yield _result(taken, job), pixels


def _result(taken: Taken, job: Job) -> Result:
    found = keypoints(taken.image) if job.keypoints else Keypoints.none()
    return Result(
        width=taken.width,
        height=taken.height,
        format=taken.format,
        keypoints=found.to_row(),
        structure=structure(taken.image),
        span=taken.span,
        page=taken.page,
        last=False,
    )


def _answer(connection: Connection, answer: Answer) -> None:
    connection.send_bytes(pack(answer))


def _write(descriptor: int, data: memoryview) -> None:
    while data:
        data = data[os.write(descriptor, data) :]


def _problem(error: Exception) -> ReadProblem:
    """Name what went wrong; this is the border of the process, nothing gets past it unnamed."""
    if isinstance(error, MediaError):
        return ReadProblem(error.reason, error.message)
    if isinstance(error, MemoryError):
        return ReadProblem(Reason.TOO_LARGE, "the picture does not fit into memory")
    return ReadProblem(Reason.INTERNAL, f"{type(error).__name__}: {error}")


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
    cv2.setNumThreads(1)
    os.nice(_NICE)
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, 2)  # C libraries write warnings there
    with contextlib.suppress(ImportError, ValueError, OSError):
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (MEMORY_LIMIT, MEMORY_LIMIT))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
