"""Requests that arrive together are answered together; those that find the queue full are not."""

from __future__ import annotations

import asyncio
import queue
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, InvalidStateError
from contextlib import suppress
from dataclasses import dataclass
from typing import Generic, TypeVar

from dfindex.server.http.errors import Problem
from dfindex.server.jobs.crew import Crew
from indexer.closing import Closing

T = TypeVar("T")
R = TypeVar("R")

_PATIENCE = 5.0  # seconds that a job has to end when it was told to
_LEAVE = 1.0  # seconds that a batch is waited for at the end


def busy(seconds: int = 1) -> Problem:
    """Return what a client is told that has to come again."""
    return Problem(
        429,
        "more requests are waiting than this service takes",
        f"try again in {seconds} s",
        headers={"Retry-After": str(seconds)},
    )


@dataclass(frozen=True)
class _Waiting(Generic[T, R]):
    item: T
    future: Future[R]


class Batcher(Closing, Generic[T, R]):
    """Answers items in batches, on one thread, with a bounded number of them waiting.

    ``answer`` gets up to ``largest`` items that came within ``window`` seconds of the first and
    returns as many results, in step; a result that is an exception is raised to its asker.
    """

    def __init__(
        self,
        answer: Callable[[Sequence[T]], Sequence[R | Exception]],
        *,
        name: str,
        largest: int = 64,
        window: float = 0.002,
        waiting: int = 256,
    ) -> None:
        self._answer = answer
        self._largest = largest
        self._window = window
        self._queue: queue.Queue[_Waiting[T, R] | None] = queue.Queue(waiting)
        self._thread = threading.Thread(target=self._work, name=name, daemon=True)
        self._thread.start()

    def __len__(self) -> int:
        return self._queue.qsize()

    def submit(self, item: T) -> Future[R]:
        """Queue an item; raise a 429 where the queue is full."""
        future: Future[R] = Future()
        try:
            self._queue.put_nowait(_Waiting(item, future))
        except queue.Full as error:
            raise busy() from error
        return future

    def close(self) -> None:
        """Answer what is queued, then end the thread, which is not waited for long."""
        with suppress(queue.Full):
            self._queue.put(None, timeout=_LEAVE)
        self._thread.join(_LEAVE)

    def _work(self) -> None:
        while (first := self._queue.get()) is not None:
            batch, ended = self._collected(first)
            self._settle(batch)
            if ended:
                return

    def _collected(self, first: _Waiting[T, R]) -> tuple[list[_Waiting[T, R]], bool]:
        batch, until = [first], time.monotonic() + self._window
        while len(batch) < self._largest:
            try:
                one = self._queue.get(timeout=max(0.0, until - time.monotonic()))
            except queue.Empty:
                break
            if one is None:
                return batch, True
            batch.append(one)
        return batch, False

    def _settle(self, batch: list[_Waiting[T, R]]) -> None:
        try:
            results: Sequence[R | Exception] = self._answer([one.item for one in batch])
        except Exception as error:
            results = [error] * len(batch)
        for one, result in zip(batch, results, strict=True):
            try:
                if isinstance(result, Exception):
                    one.future.set_exception(result)
                else:
                    one.future.set_result(result)
            except InvalidStateError:
                continue  # its asker has gone


async def answer_within(seconds: float, future: Future[R], hint: str | None = None) -> R:
    """Wait for a result; raise a 503 where it takes too long."""
    try:
        return await asyncio.wait_for(asyncio.wrap_future(future), seconds)
    except TimeoutError as error:
        words = f"the answer took longer than {seconds:g} s"
        raise Problem(503, words, hint or "try again, or ask for less", "timeout") from error


class Workbench:
    """Runs jobs on a few threads, with a bounded number of them waiting and a time limit.

    ``hint`` is told to whom the limit is too short.
    """

    def __init__(
        self,
        name: str,
        *,
        workers: int,
        waiting: int,
        seconds: float,
        hint: str | None = None,
    ) -> None:
        self._crew = Crew(workers, name)
        self._most = workers + waiting
        self._seconds = seconds
        self._hint = hint
        self.under_way = 0

    async def run(self, job: Callable[[], R], *, stop: Callable[[], object] | None = None) -> R:
        """Run a job; raise a 429 where too many wait, a 503 where it takes too long.

        A job that waits is dropped when nobody waits for it any more; one that is under way is
        told so through ``stop``; where it does not end soon, another thread takes its place.
        """
        if self.under_way >= self._most:
            raise busy(2)
        future: Future[R] = self._crew.submit(job)
        self.under_way += 1
        loop = asyncio.get_running_loop()
        future.add_done_callback(lambda _: self._finished(loop))
        try:
            return await answer_within(self._seconds, future, self._hint)
        finally:
            if not future.done():
                if stop is not None:
                    stop()
                loop.call_later(_PATIENCE, self._crew.give_up, future)

    def dismiss(self) -> None:
        """Drop what waits."""
        self._crew.dismiss()

    def join(self, until: float) -> None:
        """Wait for what is under way, not longer than until a time of the monotonic clock."""
        self._crew.join(until)

    def _finished(self, loop: asyncio.AbstractEventLoop) -> None:
        if not loop.is_closed():
            loop.call_soon_threadsafe(self._count_down)

    def _count_down(self) -> None:
        self.under_way -= 1
