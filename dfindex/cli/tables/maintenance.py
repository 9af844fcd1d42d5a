"""What became of an index that was changed, examined or repaired, for people."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.text import Text

from dfindex.cli.tables.console import shown_on
from dfindex.cli.tables.search import name_list, size_text

if TYPE_CHECKING:
    from dfindex.maintenance import Relocation, Removal
    from indexer.store.maintenance.compaction import Compaction
    from indexer.store.maintenance.examination import Examination


def removal_summary(result: Removal) -> None:
    """Say what was removed."""
    console = shown_on()
    console.print(f"{result.removed} files removed from the index.")
    name_list("names fit nothing in the index", result.unknown)


def compaction_summary(result: Compaction) -> None:
    """Say what a compaction gave back."""
    shown_on().print(
        f"{result.segments_before} segments are now {result.segments_after}; "
        f"{result.rows_dropped} removed rows dropped, "
        f"{size_text(result.bytes_before)} became {size_text(result.bytes_after)}."
    )


def examination_table(result: Examination) -> None:
    """Show what is wrong with an index and what was done about it."""
    console = shown_on()
    if result.healthy:
        console.print(f"Everything matches its checksum ({result.segments} segments).")
    for finding in result.findings:
        lost = f" Lost: {finding.loses}." if finding.loses else ""
        console.print(Text(f"{finding.path}: {finding.problem}.{lost}"))
    for action in result.actions:
        console.print(Text(f"Repaired: {action}."))
    if result.files is not None:
        console.print(
            f"{result.files.seen} indexed files: {result.files.read} compared by SHA-256, "
            f"the others by size and time."
        )
        name_list("are gone or cannot be read", result.files.gone)
        name_list("are not what was indexed", result.files.changed)
    for head in result.heads:
        told = "not checked, its encoder is not here" if head.largest is None else ""
        told = told or f"logit = W cls + b within {head.largest:.2g}"
        console.print(Text(f"Head of {head.space}, {head.samples} samples: {told}."))
    if result.quarantined:
        console.print(
            f"{result.quarantined} files lie in quarantine: --take-back N puts those of one number "
            "where they were, --empty-quarantine deletes all."
        )
        for one in result.quarantine:
            console.print(Text(f"  {one.number}: {', '.join(one.files)}"))


def quarantine_summary(done: Sequence[str]) -> None:
    """Say what became of files in quarantine."""
    for one in done:
        shown_on().print(Text(f"{one[:1].upper()}{one[1:]}."))


def relocation_summary(result: Relocation) -> None:
    """Say what was moved in the index, or why nothing was."""
    console = shown_on()
    if not result.files:
        console.print(Text(f"Nothing in the index lies at or below {result.old}."))
        return
    console.print(
        Text(
            f"{result.files} files lie at or below {result.old}; {result.there} of them are at "
            f"{result.new} with the size they had, and of {result.compared} compared by SHA-256 "
            f"{result.same} are the same."
        )
    )
    if result.moved:
        console.print(Text(f"The index knows them at {result.new} from now on."))
    else:
        console.print("The index was left as it is.")
        if not result.fits:
            console.print("Nothing fits there; --force relocates all the same.")
