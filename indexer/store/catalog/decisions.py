"""What people decided about pairs of pictures, by content: remembered over every later build."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from itertools import combinations

from indexer.store.catalog.catalog import Catalog
from indexer.store.catalog.changes import WritableCatalog


class Decision(StrEnum):
    """Whether two contents show the same picture."""

    SAME = "same"
    DIFFERENT = "different"


@dataclass(frozen=True, kw_only=True)
class Decided:
    """A decision about two contents by their SHA-256, the smaller one first, and when it fell."""

    first: str
    second: str
    decision: Decision
    at: str


class Decisions:
    """All decisions of an index, read once."""

    def __init__(self, catalog: Catalog) -> None:
        self.all = [
            Decided(first=first, second=second, decision=Decision(decision), at=at)
            for first, second, decision, at in catalog.query(
                "SELECT first, second, decision, strftime(decided_at, '%Y-%m-%dT%H:%M:%SZ') "
                "FROM decisions ORDER BY decided_at, first, second"
            )
        ]
        self._by_pair = {(one.first, one.second): one.decision for one in self.all}

    def about(self, one: str, other: str) -> Decision | None:
        """Return what was decided about two contents, in either order."""
        return self._by_pair.get(_ordered(one, other))


def remember(catalog: WritableCatalog, contents: Iterable[str], decision: Decision) -> int:
    """Decide about every pair of some contents, over what was decided before; count the pairs."""
    pairs = list(combinations(sorted(set(contents)), 2))
    with catalog.transaction():
        for first, second in pairs:
            catalog.query(
                "INSERT OR REPLACE INTO decisions VALUES (?, ?, ?, now()::TIMESTAMP)",
                [first, second, decision.value],
            )
    return len(pairs)


def _ordered(one: str, other: str) -> tuple[str, str]:
    return (one, other) if one < other else (other, one)
