"""Near-duplicate groups and decisions as tables for people."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.table import Column, Table
from rich.text import Text

from dfindex import availability
from dfindex.cli.tables.console import shown_on
from dfindex.cli.tables.search import name_list, path_text, verdict_text

if TYPE_CHECKING:
    from indexer.store.catalog.decisions import Decided
    from search.duplicates.groups import Duplicates


def duplicates_table(found: Duplicates) -> None:
    """Show every group, its representative first."""
    table = Table("group", "verdict", "score", "size", Column("path", overflow="fold"))
    for group in found.groups:
        for member in group.members:
            first = member is group.members[0]
            sample = member.sample
            table.add_row(
                str(group.id) if first else "",
                Text("stands for the group", "bold") if first else verdict_text(member.verdict),
                "" if first else f"{member.score:.3f}",
                f"{sample.width} x {sample.height}",
                path_text(sample, "bold" if first else ""),
                end_section=member is group.members[-1],
            )
    if found.groups:
        shown_on().print(table)
    files = sum(len(group.members) for group in found.groups)
    shown_on().print(
        f"{len(found.groups)} groups of {files} files; {found.pairs_checked} pairs compared."
    )
    if found.unavailable:
        shown_on().print(availability.of_all(found.unavailable), style="yellow")
    name_list(
        "paths are links to files named otherwise, no copies",
        [f"{link.path} -> {link.of}" for link in found.links],
    )


def decisions_table(found: Sequence[Decided]) -> None:
    """Show what was decided about pairs."""
    table = Table("decision", "first", "second", "when")
    for one in found:
        table.add_row(one.decision.value, one.first[:16], one.second[:16], one.at)
    shown_on().print(table if found else "Nothing was decided yet.")
