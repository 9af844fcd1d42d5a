"""Isolated decoding: a pool of processes in which no file can stop, hang or crash a build."""

from __future__ import annotations

import os
import queue
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np

from indexer.corpus import FoundFile
from indexer.decode import Limits
from indexer.decode_worker import Opened, Problem, Result, Task
from indexer.errors import DfindexError, MediaError
from indexer.types import Preset, Reason, UInt8

LARGE_PIXELS = 40_000_000  # only one picture larger than this is decoded at a time
_START_SECONDS = 60.0


@dataclass(frozen=True)
class Prepared:
    """A file, read and shaped: ``pixels`` (size, size, 3) uint8 RGB.

    Without ``pixels`` there is either a ``problem``, or the content was known already.
    """

    file: FoundFile
    sha256: str | None = None
    pixels: UInt8 | None = None
    width: int = 0
    height: int = 0
    format: str = ""
    problem: MediaError | None = None


class DecodePool:
    """Worker processes that read, hash, decode and shape files for one preset."""

    def __init__(self, *, workers: int, preset: Preset, limits: Limits | None = None) -> None:
        limits = limits or Limits()
        self._large = threading.Lock()
        self._workers = [_Worker(preset, limits, self._large) for _ in range(workers)]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """End all workers."""
        for worker in self._workers:
            worker.stop()

    def map(
        self,
        files: Iterable[FoundFile],
        *,
        known: Callable[[str], bool] = lambda sha256: False,
        ahead: int = 64,
    ) -> Iterator[Prepared]:
        """Yield every file prepared, in order of completion; at most ``ahead`` are under way.

        ``files`` is read from the calling thread, as results are taken; ``known`` is asked from
        other threads whether a content, by its SHA-256, need not be decoded.
        """
        tasks: queue.SimpleQueue[FoundFile | None] = queue.SimpleQueue()
        results: queue.SimpleQueue[Prepared | BaseException] = queue.SimpleQueue()
        threads = [
            threading.Thread(target=_work, args=(worker, tasks, results, known), daemon=True)
            for worker in self._workers
        ]
        for thread in threads:
            thread.start()
        try:
            yield from self._collect(iter(files), tasks, results, ahead)
        finally:
            for _ in threads:
                tasks.put(None)
            # A worker that is busy when the caller stops early must not be waited for.
            for worker in self._workers:
                worker.abandon()
            for thread in threads:
                thread.join()

    def _collect(
        self,
        files: Iterator[FoundFile],
        tasks: queue.SimpleQueue[FoundFile | None],
        results: queue.SimpleQueue[Prepared | BaseException],
        ahead: int,
    ) -> Iterator[Prepared]:
        under_way = 0
        exhausted = False
        while True:
            while not exhausted and under_way < ahead:
                file = next(files, None)
                if file is None:
                    exhausted = True
                elif file.problem is not None:
                    yield Prepared(file, problem=file.problem)
                else:
                    tasks.put(file)
                    under_way += 1
            if not under_way:
                return
            result = results.get()
            under_way -= 1
            if isinstance(result, BaseException):
                raise result
            yield result


def _work(
    worker: _Worker,
    tasks: queue.SimpleQueue[FoundFile | None],
    results: queue.SimpleQueue[Prepared | BaseException],
    known: Callable[[str], bool],
) -> None:
    while (file := tasks.get()) is not None:
        try:
            results.put(worker.prepare(file, known))
        except BaseException as error:  # handed to the caller's thread, which raises it
            results.put(error)


class _Worker:
    """One process, started when it is first needed and again whenever it has died."""

    def __init__(self, preset: Preset, limits: Limits, large: threading.Lock) -> None:
        self._preset = preset
        self._limits = limits
        self._large = large
        self._process: subprocess.Popen[bytes] | None = None
        self._connection: Connection | None = None
        self._abandoned = False

    def prepare(self, file: FoundFile, known: Callable[[str], bool]) -> Prepared:
        """Have one file prepared; whatever happens to the process becomes the file's problem."""
        if self._abandoned:
            return Prepared(file)
        connection = self._started()
        sha256: str | None = None
        try:
            connection.send(Task(file.raw))
            answer = self._answer(time.monotonic() + self._limits.seconds)
            if isinstance(answer, Opened):
                sha256 = answer.sha256
                if known(sha256):
                    connection.send(False)
                    return Prepared(file, sha256)
                answer = self._decoded(connection, answer)
        except TimeoutError:
            self.stop()
            limit = f"{self._limits.seconds:g} seconds"
            return _failed(file, sha256, Reason.TIMEOUT, f"not decoded within {limit}")
        except (EOFError, OSError) as error:
            code = self._died()
            return _failed(
                file, sha256, Reason.INTERNAL, f"the decoder ended with code {code} ({error!r})"
            )
        if isinstance(answer, Problem):
            return _failed(file, sha256, Reason(answer.reason), answer.message)
        return self._prepared(file, sha256, answer)

    def abandon(self) -> None:
        """Stop taking files; end the process if it is busy."""
        self._abandoned = True
        if self._process is not None and self._process.poll() is None and self._busy:
            self._process.kill()

    def stop(self) -> None:
        """End the process, if there is one."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    _busy = False

    def _decoded(self, connection: Connection, opened: Opened) -> Any:
        if opened.pixels <= LARGE_PIXELS:
            connection.send(True)
            return self._answer(time.monotonic() + self._limits.seconds)
        with self._large:
            connection.send(True)
            return self._answer(time.monotonic() + self._limits.seconds)

    def _answer(self, deadline: float) -> Any:
        assert self._connection is not None
        self._busy = True
        try:
            if not self._connection.poll(max(0.0, deadline - time.monotonic())):
                raise TimeoutError
            return self._connection.recv()
        finally:
            self._busy = False

    def _prepared(self, file: FoundFile, sha256: str | None, result: Result) -> Prepared:
        size = self._preset.size
        pixels = np.frombuffer(result.data, dtype=np.uint8).reshape(size, size, 3)
        return Prepared(file, sha256, pixels, result.width, result.height, result.format)

    def _died(self) -> int | None:
        code = None if self._process is None else self._process.wait()
        self.stop()
        return code

    def _started(self) -> Connection:
        if self._connection is not None:
            return self._connection
        ours, theirs = socket.socketpair()
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-c", _BOOTSTRAP, str(_HOME), str(theirs.fileno())],
                pass_fds=(theirs.fileno(),),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                env={**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
            )
        self._connection = Connection(ours.detach())
        try:
            self._connection.send((self._preset, self._limits))
            self._answer(time.monotonic() + _START_SECONDS)
        except (EOFError, OSError, TimeoutError) as error:
            self.stop()
            raise DfindexError(
                "the decoding process does not start; run dfindex from an intact installation"
            ) from error
        return self._connection


# The child imports the same package as we do, wherever it was started from.
_HOME = Path(__file__).resolve().parents[1]
_BOOTSTRAP = (
    "import sys; sys.path.insert(0, sys.argv[1]); "
    "from indexer.decode_worker import main; main(int(sys.argv[2]))"
)


def _failed(file: FoundFile, sha256: str | None, reason: Reason, message: str) -> Prepared:
    return Prepared(file, sha256, problem=MediaError(reason, message))
