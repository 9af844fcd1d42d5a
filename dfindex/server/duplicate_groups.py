"""Near-duplicate groups for the page and the API: found beside the requests, once a generation."""

from __future__ import annotations

import asyncio
import threading
from collections import OrderedDict
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from dfindex.index import Index
from dfindex.server.errors import Problem
from dfindex.server.live import LiveIndex
from indexer.closing import Closing

_KEPT = 8  # questions whose groups are kept


@dataclass(frozen=True)
class Question:
    """Which groups are asked for; None as in `dfindex.index.Index.duplicates`."""

    min_score: float | None = None
    where: str | None = None


@dataclass(frozen=True)
class FoundGroups:
    """Groups as the command line prints them, of a generation of the index."""

    groups: list[dict[str, Any]]
    pairs_checked: int
    generation: int


class DuplicateFinder(Closing):
    """Finds groups on one thread; those of an older generation are kept until it is done."""

    def __init__(self, live: LiveIndex, space: str | None) -> None:
        self._live = live
        self._space = space
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="duplicates")
        self._guard = threading.Lock()
        self._asked: OrderedDict[tuple[int, Question], Future[FoundGroups]] = OrderedDict()
        self._newest: OrderedDict[Question, FoundGroups] = OrderedDict()
        self._stopping = threading.Event()
        self.progress = "waiting"

    def newest(self, question: Question) -> FoundGroups | None:
        """Return the groups that were found last, of whatever generation."""
        with self._guard:
            return self._newest.get(question)

    async def current(self, question: Question, *, seconds: float) -> FoundGroups | None:
        """Return the groups of the newest generation, None where they take longer to find."""
        found = asyncio.wrap_future(self._ask(question))
        done, _ = await asyncio.wait({found}, timeout=seconds)
        return found.result() if done else None

    def close(self) -> None:
        """Give up what is under way."""
        self._stopping.set()
        self._pool.shutdown(cancel_futures=True)

    def _ask(self, question: Question) -> Future[FoundGroups]:
        key = (self._live.generation, question)
        with self._guard:
            future = self._asked.get(key)
            if future is None or (future.done() and future.exception() is not None):
                future = self._asked[key] = self._pool.submit(self._find, question)
            self._asked.move_to_end(key)
            while len(self._asked) > _KEPT:
                self._asked.popitem(last=False)[1].cancel()
        # A request that goes away must not take the search with it.
        shielded: Future[FoundGroups] = Future()
        future.add_done_callback(lambda done: _hand_over(done, shielded))
        return shielded

    def _find(self, question: Question) -> FoundGroups:
        found = self._live.read(lambda index: self._found(index, question))
        with self._guard:
            self._newest[question] = found
            self._newest.move_to_end(question)
            while len(self._newest) > _KEPT:
                self._newest.popitem(last=False)
        return found

    def _found(self, index: Index, question: Question) -> FoundGroups:
        self._note("looking for pairs", 0.0)
        found = index.duplicates(
            space=self._space,
            min_score=question.min_score,
            where=question.where,
            progress=self._note,
        )
        return FoundGroups(**found.to_json(), generation=index.generation)

    def _note(self, step: str, share: float) -> None:
        if self._stopping.is_set():
            raise CancelledError
        self.progress = f"{step}, {100 * share:.0f} %"


def _hand_over(done: Future[FoundGroups], waiting: Future[FoundGroups]) -> None:
    if waiting.cancelled():
        return
    error = CancelledError() if done.cancelled() else done.exception()
    if isinstance(error, CancelledError):
        waiting.set_exception(Problem(503, "the service is being asked too much", "ask again"))
    elif error is not None:
        waiting.set_exception(error)
    else:
        waiting.set_result(done.result())
