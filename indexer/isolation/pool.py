"""Isolated decoding: a pool of processes in which no file can stop, hang or crash a build."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence

from indexer.closing import Closing
from indexer.corpus import FoundFile
from indexer.isolation.process import DecodeProcess, Prepared
from indexer.media.files import Limits
from indexer.media.image import DecodedImage
from indexer.media.videos.frames import Sampling
from indexer.types import Preset

__all__ = ["DecodePool", "Prepared"]

FRAMES_AHEAD = 64  # of videos, and pages, decoded before they are asked for


class DecodePool(Closing):
    """Worker processes that read, hash, decode and shape files for one preset.

    Frames of videos are prepared where ``sampling`` says which; else a video is a problem. Without
    ``keypoints`` no time is spent on them, and none are found.
    """

    def __init__(
        self,
        *,
        workers: int,
        preset: Preset,
        limits: Limits | None = None,
        sampling: Sampling | None = None,
        keypoints: bool = True,
    ) -> None:
        if workers < 1:
            raise ValueError(f"a pool needs at least one worker, got {workers}")
        large = threading.Lock()
        self._workers = [
            DecodeProcess(preset, limits or Limits(), large, sampling, keypoints=keypoints)
            for _ in range(workers)
        ]

    @property
    def pids(self) -> list[int]:
        """The numbers of the processes that run."""
        return [worker.pid for worker in self._workers if worker.pid is not None]

    def close(self) -> None:
        """End all workers."""
        for worker in self._workers:
            worker.stop()

    def halt(self) -> None:
        """End what the workers are doing, from any thread; each file becomes a problem."""
        for worker in self._workers:
            worker.halt()

    def shown(
        self, raw: bytes, times: Sequence[float], *, at_least: int, sha256: str | None = None
    ) -> list[DecodedImage]:
        """Return what a file shows at rising times, see `DecodeProcess.shown`; not while mapping.

        Raise MediaError where it cannot be read.
        """
        return self._workers[0].shown(raw, times, at_least=at_least, sha256=sha256)

    def map(
        self,
        files: Iterable[FoundFile],
        *,
        known: Callable[[str], bool] = lambda sha256: False,
        ahead: int = 64,
    ) -> Iterator[Prepared]:
        """Yield every file prepared, in order of completion; at most ``ahead`` are under way.

        ``files`` is read from the calling thread, as results are taken; ``known`` is asked from
        other threads whether a content, by its SHA-256, need not be decoded. A pool maps one
        iterable at a time. Stopped early, the files under way are dropped. The frames of a video
        come in their order, with other files between them.
        """
        round_ = _Round(known)
        threads = [
            threading.Thread(target=round_.work, args=(worker,), name="decode", daemon=True)
            for worker in self._workers
        ]
        for thread in threads:
            thread.start()
        try:
            yield from round_.collect(iter(files), max(1, ahead))
        finally:
            if round_.under_way:
                round_.stopped.set()
            for _ in threads:
                round_.tasks.put(None)
            if round_.under_way:
                self._end(threads)
            for thread in threads:
                thread.join()

    def _end(self, threads: list[threading.Thread]) -> None:
        """End the workers, again and again until no thread is left waiting for one."""
        while any(thread.is_alive() for thread in threads):
            self.halt()
            for thread in threads:
                thread.join(0.02)
        self.close()


class _Round:
    """One pass over files: the tasks that wait, and the results that came."""

    def __init__(self, known: Callable[[str], bool]) -> None:
        self._known = known
        self._results: queue.SimpleQueue[Prepared | BaseException] = queue.SimpleQueue()
        self._room = threading.Semaphore(FRAMES_AHEAD)
        self.tasks: queue.SimpleQueue[FoundFile | None] = queue.SimpleQueue()
        self.stopped = threading.Event()
        self.under_way = 0

    def work(self, worker: DecodeProcess) -> None:
        """Prepare files until there are no more; runs in a thread of its own for each worker."""
        while (file := self.tasks.get()) is not None and not self.stopped.is_set():
            try:
                for prepared in worker.read(file, self._known):
                    if prepared.is_part and not self._has_room():
                        return
                    self._results.put(prepared)
            except BaseException as error:  # handed to the caller's thread, which raises it
                self._results.put(error)

    def _has_room(self) -> bool:
        """Wait until a frame may be handed on; tell whether it still should be."""
        while not self._room.acquire(timeout=0.1):
            if self.stopped.is_set():
                return False
        return True

    def collect(self, files: Iterator[FoundFile], ahead: int) -> Iterator[Prepared]:
        """Hand out tasks and yield results, from the caller's thread."""
        exhausted = False
        while True:
            while not exhausted and self.under_way < ahead:
                file = next(files, None)
                if file is None:
                    exhausted = True
                elif file.problem is not None:
                    yield Prepared(file, problem=file.problem)
                else:
                    self.tasks.put(file)
                    self.under_way += 1
            if not self.under_way:
                return
            result = self._results.get()
            if isinstance(result, BaseException):
                self.under_way -= 1
                raise result
            self.under_way -= result.last
            if result.is_part:
                self._room.release()
            yield result
