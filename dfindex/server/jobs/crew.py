"""Threads that do jobs in turn, of which none can be lost for good to a job that does not end."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

_MOST_STUCK = 64  # threads that are replaced


class Crew:
    """A few threads; they do not keep the process from ending, whatever they are at."""

    def __init__(self, workers: int, name: str) -> None:
        self._name = name
        self._jobs: queue.SimpleQueue[tuple[Future[Any], Callable[[], Any]] | None]
        self._jobs = queue.SimpleQueue()
        self._guard = threading.Lock()
        self._stuck: set[Future[Any]] = set()
        self._threads: list[threading.Thread] = []
        for _ in range(workers):
            self._hire()

    def submit(self, job: Callable[[], Any]) -> Future[Any]:
        """Have a job done when a thread is free."""
        future: Future[Any] = Future()
        self._jobs.put((future, job))
        return future

    def give_up(self, future: Future[Any]) -> None:
        """Go on with another thread, where one is still at a job that nobody waits for."""
        with self._guard:
            if not future.running() or len(self._stuck) >= _MOST_STUCK:
                return
            self._stuck.add(future)
        self._hire()

    def dismiss(self) -> None:
        """Drop what waits, and have each thread end after its job."""
        while True:
            try:
                waiting = self._jobs.get_nowait()
            except queue.Empty:
                break
            if waiting is not None:
                waiting[0].cancel()
        for _ in self._threads:
            self._jobs.put(None)

    def join(self, until: float) -> None:
        """Wait for the threads to end, not longer than until a time of the monotonic clock."""
        for thread in self._threads:
            thread.join(max(0.0, until - time.monotonic()))

    def _hire(self) -> None:
        thread = threading.Thread(target=self._work, name=self._name, daemon=True)
        with self._guard:
            self._threads = [one for one in self._threads if one.is_alive()] + [thread]
            thread.start()

    def _work(self) -> None:
        while (waiting := self._jobs.get()) is not None:
            future, job = waiting
            if future.set_running_or_notify_cancel():
                _settle(future, job)
            with self._guard:
                if future in self._stuck:  # another has the place
                    self._stuck.remove(future)
                    return


def _settle(future: Future[Any], job: Callable[[], Any]) -> None:
    try:
        result = job()
    except BaseException as error:  # handed to who waits for it
        future.set_exception(error)
    else:
        future.set_result(result)
