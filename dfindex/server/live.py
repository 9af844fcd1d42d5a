"""The index as it was last published: new generations taken over while requests go on."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from dfindex.index import Index
from indexer.closing import Closing
from indexer.errors import DfindexError, StoreError, UsageError
from indexer.store.catalog.probe_scores import ScoresStamp, scores_stamp
from indexer.store.folder import IndexFolder

T = TypeVar("T")
log = logging.getLogger("dfindex.server")

OpenIndex = Callable[[Path], Index]
Warm = Callable[[Index, Index | None], object]
State = tuple[int, ScoresStamp]
_LEAVE = 1.0  # seconds that opening a generation has at the end
_LOOK_EVERY = 1.0  # seconds between two looks at whether there is a new generation


@dataclass
class _Opened:
    """One generation that is open, and how many requests use it."""

    index: Index
    generation: int
    stamp: tuple[int, ...]
    users: int = 0
    superseded: bool = False


class LiveIndex(Closing):
    """Hands the newest generation to each request, and closes an old one after its last.

    A generation is opened and warmed beside the one in use, so that no request waits for it.
    """

    def __init__(self, path: Path, open_index: OpenIndex, warm: Warm) -> None:
        self._published = IndexFolder(path).published
        self._path = path
        self._open_index = open_index
        self._warm = warm
        self._guard = threading.Lock()
        self._refreshing = threading.Lock()
        self._stop = threading.Event()
        self._current = self._opened(None)
        self._watcher = threading.Thread(target=self._watch, name="generations", daemon=True)
        self._watcher.start()

    @property
    def generation(self) -> int:
        """The generation that requests are answered from."""
        return self._current.generation

    @property
    def state(self) -> State:
        """What answers over samples depend on: the generation, and when probes were applied."""
        return self.generation, scores_stamp(self._path)

    @contextmanager
    def lease(self) -> Iterator[Index]:
        """Hold the newest generation open for a while."""
        with self._guard:
            held = self._current
            held.users += 1
        try:
            yield held.index
        finally:
            with self._guard:
                held.users -= 1
                unused = held.superseded and held.users == 0
            if unused:
                held.index.close()

    def read(self, job: Callable[[Index], T]) -> T:
        """Run a job on the newest generation; once more where a newer one replaced its files."""
        used = self.generation
        try:
            with self.lease() as index:
                return job(index)
        except (StoreError, OSError):
            self.refresh()
            if self.generation == used:
                raise
        with self.lease() as index:
            return job(index)

    def refresh(self) -> None:
        """Take over a new generation, if there is one."""
        with self._refreshing:
            if self._stop.is_set() or self._stamp() in ((), self._current.stamp):
                return
            fresh = self._opened(self._current.index)
            with self._guard:
                old, self._current = self._current, fresh
                old.superseded = True
                unused = old.users == 0
            if unused:
                old.index.close()

    def close(self) -> None:
        """Stop looking for generations, and close the last where nobody uses it."""
        self._stop.set()
        self._watcher.join(_LEAVE)
        if not self._refreshing.acquire(timeout=_LEAVE):
            return  # one is being opened, which may take long
        with self._guard:
            self._current.superseded = True
            unused = self._current.users == 0
        self._refreshing.release()
        if unused:
            self._current.index.close()

    def _opened(self, before: Index | None) -> _Opened:
        stamp = self._stamp()  # before the file is opened: a later one is then noticed
        index = self._open_index(self._path)
        try:
            self._warm(index, before)
            return _Opened(index, index.generation, stamp)
        except BaseException:
            index.close()
            raise

    def _stamp(self) -> tuple[int, ...]:
        try:
            status = self._published.stat()
        except OSError:
            return ()
        return (status.st_ino, status.st_mtime_ns, status.st_size)

    def _watch(self) -> None:
        while not self._stop.wait(_LOOK_EVERY):
            started = time.monotonic()
            try:
                self.refresh()
            except (DfindexError, OSError) as error:
                log.warning("the new generation cannot be opened yet: %s", error)
            # A build commits every few seconds: opening is never more than a part of the work.
            self._stop.wait(3 * (time.monotonic() - started))


def warm(space: str | None, index: Index, before: Index | None) -> None:
    """Load what the first search would otherwise wait for, or take it from the index ``before``."""
    try:
        searcher = index.searcher(space)
        searcher.warm(None if before is None else before.searcher(space))
    except UsageError:
        log.info("the index holds no embeddings yet")
