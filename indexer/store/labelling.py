"""Join labels to the contents they speak of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from indexer.store.changes import Label, WritableCatalog


class NamedLabel(Protocol):
    """A label and the file it names."""

    @property
    def line(self) -> int:
        """Where it was read."""

    @property
    def raw(self) -> bytes:
        """The bytes of the file's path."""

    @property
    def label(self) -> Label:
        """What it says."""


@dataclass(frozen=True, kw_only=True)
class Labelling:
    """What became of labels: contents labelled, files unknown to the index, contradictions."""

    labelled: int
    unmatched: list[str]
    conflicts: list[str]


def assign_labels(catalog: WritableCatalog, rows: Sequence[NamedLabel]) -> Labelling:
    """Label the contents of the named files; a later line overrules an earlier one.

    Files the index does not hold are listed, and so are lines that contradict an earlier one
    about the same content.
    """
    contents = {
        bytes(raw): sha256
        for raw, sha256 in catalog.query(
            "SELECT raw, sha256 FROM paths WHERE state = 'indexed' "
            "AND raw IN (SELECT unnest($raws::BLOB[]))",
            {"raws": [row.raw for row in rows]},
        )
    }
    labels: dict[str, Label] = {}
    unmatched, conflicts = [], []
    for row in rows:
        name = row.raw.decode("utf-8", "backslashreplace")
        sha256 = contents.get(row.raw)
        if sha256 is None:
            unmatched.append(f"line {row.line}: {name}")
            continue
        if labels.get(sha256, row.label) != row.label:
            conflicts.append(f"line {row.line}: {name}")
        labels[sha256] = row.label
    if labels:
        catalog.set_labels(labels)
    return Labelling(labelled=len(labels), unmatched=unmatched, conflicts=conflicts)
