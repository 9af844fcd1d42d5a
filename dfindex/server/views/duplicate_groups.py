"""Near-duplicate groups for the page and the API, found beside the requests and kept."""

from __future__ import annotations

import asyncio
import threading
import time
from collections import OrderedDict
from concurrent.futures import CancelledError, Future
from dataclasses import dataclass
from functools import partial
from typing import Any

from dfindex.index import Index
from dfindex.server.http.errors import Problem
from dfindex.server.jobs.crew import Crew
from dfindex.server.live import LiveIndex, State
from indexer.closing import Closing

_KEPT = 8  # questions whose groups are kept
_LEAVE = 1.0  # seconds that the search for them has to notice the end


@dataclass(frozen=True)
class Question:
    """Which groups are asked for; None as in `dfindex.index.Index.duplicates`."""

    min_score: float | None = None
    where: str | None = None


@dataclass(frozen=True)
class FoundGroups:
    """Groups as the command line prints them."""

    groups: list[dict[str, Any]]
    pairs_checked: int
    unavailable: int
    links: list[dict[str, str]]


_Key = tuple[State, Question]


class DuplicateFinder(Closing):
    """Finds groups on one thread; the last that were found are kept until it is done."""

    def __init__(self, live: LiveIndex, space: str | None) -> None:
        self._live = live
        self._space = space
        self._crew = Crew(1, "duplicates")
        self._guard = threading.Lock()
        self._asked: OrderedDict[_Key, Future[FoundGroups]] = OrderedDict()
        self._stopping = threading.Event()
        self.progress = "waiting"

    def newest(self, question: Question) -> FoundGroups | None:
        """Return the groups that were found last, of whatever state of the index."""
        with self._guard:
            asked = [key for key in self._asked if key[1] == question and _found(self._asked[key])]
            if not asked:
                return None
            newest = max(reversed(asked), key=lambda key: key[0][0])  # by generation, then use
            self._asked.move_to_end(newest)
            return self._asked[newest].result()

    async def current(self, question: Question, *, seconds: float) -> FoundGroups | None:
        """Return the groups as the index is now, None where they take longer to find."""
        found = asyncio.wrap_future(self._ask(question))
        # Nothing here cancels what is waited for: others may wait for it too.
        done, _ = await asyncio.wait({found}, timeout=seconds)
        try:
            return found.result() if done else None
        except asyncio.CancelledError:
            raise Problem(503, "the service is being asked too much", "ask again") from None

    def close(self) -> None:
        """Give up what is under way."""
        self._stopping.set()
        self._crew.dismiss()
        self._crew.join(time.monotonic() + _LEAVE)

    def _ask(self, question: Question) -> Future[FoundGroups]:
        key = (self._live.state, question)
        with self._guard:
            future = self._asked.get(key)
            if future is None or (future.done() and not _found(future)):
                future = self._asked[key] = self._crew.submit(partial(self._find, question))
            self._asked.move_to_end(key)
            while len(self._asked) > _KEPT:
                self._asked.popitem(last=False)[1].cancel()
        return future

    def _find(self, question: Question) -> FoundGroups:
        return self._live.read(lambda index: self._found_in(index, question))

    def _found_in(self, index: Index, question: Question) -> FoundGroups:
        self._note("looking for pairs", 0.0)
        found = index.duplicates(
            space=self._space,
            min_score=question.min_score,
            where=question.where,
            progress=self._note,
        )
        return FoundGroups(**found.to_json())

    def _note(self, step: str, share: float) -> None:
        if self._stopping.is_set():
            raise CancelledError
        self.progress = f"{step}, {100 * share:.0f} %"


def _found(asked: Future[FoundGroups]) -> bool:
    return asked.done() and not asked.cancelled() and asked.exception() is None
