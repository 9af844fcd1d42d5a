"""Join labels to the contents they speak of."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Protocol

from indexer.corpus import as_text
from indexer.store.catalog.changes import Label, WritableCatalog
from indexer.store.catalog.names import contents_at, contents_by_path

_SAME_END = 2  # parts, so that a file's name alone is not enough


class NamedLabel(Protocol):
    """A label and the file it names, as `LabelRow` has it."""

    @property
    def line(self) -> int:
        """Where it was read."""

    @property
    def name(self) -> str:
        """The file as people read it."""

    @property
    def raws(self) -> tuple[bytes, ...]:
        """The bytes of the paths it may mean."""

    @property
    def foreign(self) -> tuple[str, ...]:
        """The parts of a path of another machine."""

    @property
    def label(self) -> Label:
        """What it says."""


@dataclass(frozen=True, kw_only=True)
class Labelling:
    """What became of labels: contents labelled, files unknown to the index, contradictions.

    ``matched_by_end`` are paths of another machine that one indexed file's path ends like.
    """

    labelled: int
    unmatched: list[str]
    conflicts: list[str]
    matched_by_end: list[str]


def assign_labels(catalog: WritableCatalog, rows: Sequence[NamedLabel]) -> Labelling:
    """Label the contents of the named files; a later line overrules an earlier one.

    Files the index does not hold are listed, and so are lines that contradict an earlier one
    about the same content.
    """
    files = _Files(catalog, rows)
    labels: dict[str, Label] = {}
    result = Labelling(labelled=0, unmatched=[], conflicts=[], matched_by_end=[])
    for row in rows:
        place = f"line {row.line}: {row.name}"
        sha256, path = files.named(row)
        if sha256 is None:
            result.unmatched.append(place)
            continue
        if path is not None:
            result.matched_by_end.append(f"{place} is {path}")
        if labels.get(sha256, row.label) != row.label:
            result.conflicts.append(place)
        labels[sha256] = row.label
    if labels:
        catalog.set_labels(labels)
    return replace(result, labelled=len(labels))


class _Files:
    """The indexed files by all the ways in which a label may name one."""

    def __init__(self, catalog: WritableCatalog, rows: Sequence[NamedLabel]) -> None:
        self._catalog = catalog
        self._by_bytes = contents_at(catalog, [raw for row in rows for raw in row.raws])

    def named(self, row: NamedLabel) -> tuple[str | None, str | None]:
        """Return the content that a label speaks of, and the path that only ends like its own."""
        for raw in row.raws:
            if raw in self._by_bytes:
                return self._by_bytes[raw], None
        for raw in row.raws:
            alike = self._by_text.get(_normal(as_text(raw)), set())
            if len(alike) == 1:
                return next(iter(alike)), None
        return self._ending_like(row.foreign)

    def _ending_like(self, parts: Sequence[str]) -> tuple[str | None, str | None]:
        """Return the one content, and its path, whose path shares most parts with the end."""
        wanted = [_normal(part) for part in reversed(parts)]
        shared: dict[int, dict[str, str]] = {}
        for path, sha256 in self._by_name.get(wanted[0], ()) if wanted else ():
            count = _common(wanted, path.split("/")[::-1])
            shared.setdefault(count, {})[sha256] = path
        best = max(shared, default=0)
        if best < _SAME_END or len(shared[best]) > 1:
            return None, None
        return next(iter(shared[best].items()))

    @cached_property
    def _by_text(self) -> dict[str, set[str]]:
        found: dict[str, set[str]] = {}
        for path, sha256 in contents_by_path(self._catalog):
            found.setdefault(_normal(path), set()).add(sha256)
        return found

    @cached_property
    def _by_name(self) -> dict[str, list[tuple[str, str]]]:
        found: dict[str, list[tuple[str, str]]] = {}
        for path, contents in self._by_text.items():
            name = path.rpartition("/")[2]
            found.setdefault(name, []).extend((path, sha256) for sha256 in contents)
        return found


def _common(one: Sequence[str], other: Sequence[str]) -> int:
    """Return how many parts two sequences begin with alike."""
    same = [a == b for a, b in zip(one, other, strict=False)]
    return (same + [False]).index(False)


def _normal(text: str) -> str:
    """Return a path as any machine writes it: macOS splits letters and accents."""
    return unicodedata.normalize("NFC", text)
