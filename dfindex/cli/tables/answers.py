"""The answers for a folder's files as a table that grows line by line."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from rich.table import Table
from rich.text import Text

from dfindex.cli.tables.console import shown_on
from dfindex.cli.tables.search import verdict_text
from dfindex.folder_search import Unanswered
from search.verdict import COPIES

if TYPE_CHECKING:
    from search.results import AnyResult

_VERDICT, _SCORE, _GAPS = 14, 7, 6  # characters


def shown_one_by_one(found: Iterable[AnyResult | Unanswered]) -> Iterator[AnyResult | Unanswered]:
    """Show the best hit of each answer as it passes, under the names of the columns."""
    console = shown_on()
    side = max(10, (console.width - _VERDICT - _SCORE - _GAPS) // 2)
    header = [Text(name, "bold") for name in ("verdict", "score", "file", "nearest in the index")]
    for number, one in enumerate(found):
        if number == 0:
            console.print(_line(header, side))
        console.print(_line(_cells(one), side))
        yield one


def _line(cells: Iterable[Text], side: int) -> Table:
    line = Table.grid(padding=(0, 2, 0, 0))
    for width in (_VERDICT, _SCORE, side, side):
        line.add_column(width=width, overflow="fold")
    line.add_row(*cells)
    return line


def _cells(found: AnyResult | Unanswered) -> tuple[Text, Text, Text, Text]:
    if isinstance(found, Unanswered):
        words = Text(f"{found.reason}: {found.message}", "dim")
        return Text("not read", "dim"), Text(), Text(found.path), words
    name = Text(found.query.path)
    if not found.hits:
        return Text("nothing", "dim"), Text(), name, Text()
    best = found.hits[0]
    copies = sum(hit.verdict in COPIES for hit in found.hits)
    more = f" and {copies - 1} more" if copies > 1 else ""
    score = Text(f"{best.score:.4f}")
    return verdict_text(best.verdict.value), score, name, Text(best.sample.path + more)


class Tally:
    """How many files were searched for, what was found, and why some could not be read."""

    def __init__(self) -> None:
        self.files = self.copies = self.hits = 0
        self.unread: Counter[str] = Counter()

    def counted(self, found: Iterable[AnyResult | Unanswered]) -> Iterator[AnyResult | Unanswered]:
        """Count the answers that pass."""
        for one in found:
            self.files += 1
            if isinstance(one, Unanswered):
                self.unread[one.reason] += 1
            else:
                self.copies += one.found
                self.hits += bool(one.hits)
            yield one

    def __str__(self) -> str:
        unread = self.unread.total()
        why = ", ".join(f"{count} {reason}" for reason, count in sorted(self.unread.items()))
        words = f"{self.files} files searched for: {self.copies} with a copy, "
        words += f"{self.files - self.copies - unread} without, {unread} that could not be read"
        return words + (f" ({why})" if why else "")
