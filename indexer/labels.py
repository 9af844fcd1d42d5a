"""Labels from a CSV file: what is known of pictures from outside, line by line."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path, PureWindowsPath

from indexer.corpus import as_text
from indexer.errors import UsageError
from indexer.labels_csv import TableRow, read_table
from indexer.store.catalog.changes import Label

LABELS = ("real", "fake")
_COLUMNS = ("path", "label", "generator", "source", "group")
_REQUIRED = 2
_FOREIGN = re.compile(r"[A-Za-z]:[\\/]|\\\\")  # C:\ or \\server\: the root of a Windows path


@dataclass(frozen=True, kw_only=True)
class LabelRow:
    r"""One line of a label file: the file it names, and what it says.

    ``raws`` are the paths it may mean, as the system's bytes, the likeliest first: ``a\b.png`` is
    a file of that name, or ``b.png`` in the folder ``a``. ``foreign`` are the parts of a path that
    was written on a Windows machine, below its root; there are none for any other path.
    """

    line: int
    raws: tuple[bytes, ...]
    label: Label
    foreign: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The file as people read it."""
        return as_text(self.raws[0])

    @property
    def raw(self) -> bytes:
        """The path of the file that lies on this machine, else the likeliest one."""
        return next((one for one in self.raws if os.path.lexists(one)), self.raws[0])


def read_labels(path: Path) -> list[LabelRow]:
    """Read a CSV file with the columns path, label and optionally generator, source, group.

    `read_table` says which forms it may have. Relative paths are relative to the CSV's folder.
    Raise UsageError with the line number where a line is not of that form.
    """
    return [_label_row(row, path) for row in read_table(path, _COLUMNS, _REQUIRED)]


def check_label(text: str, where: str) -> str:
    """Return a label in lower case; raise UsageError unless it is real or fake."""
    label = text.strip().lower()
    if label not in LABELS:
        raise UsageError(f"{where}: expected the label real or fake, got {text!r}")
    return label


def _label_row(row: TableRow, path: Path) -> LabelRow:
    fields, where = row.fields, f"{path}, line {row.line}"
    name = fields["path"]
    if not name:
        raise UsageError(f"{where}: the path is empty")
    label = Label(
        label=check_label(fields["label"], where),
        generator=fields.get("generator") or None,
        source=fields.get("source") or None,
        group=fields.get("group") or None,
    )
    if _FOREIGN.match(name):
        parts = PureWindowsPath(name).parts[1:]
        return LabelRow(line=row.line, raws=(os.fsencode(name),), label=label, foreign=parts)
    written = dict.fromkeys((name, name.replace("\\", "/")))
    raws = tuple(os.fsencode(os.path.normpath(path.parent.absolute() / one)) for one in written)
    return LabelRow(line=row.line, raws=raws, label=label)
