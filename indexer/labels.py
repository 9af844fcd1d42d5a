"""Labels from a CSV file: what is known of pictures from outside, line by line."""

from __future__ import annotations

import csv
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from indexer.errors import UsageError
from indexer.store.changes import Label

LABELS = ("real", "fake")
_REQUIRED = {"path", "label"}


@dataclass(frozen=True, kw_only=True)
class LabelRow:
    """One line of a label file: the file it names (the bytes of its path) and what it says."""

    line: int
    raw: bytes
    label: Label


def read_labels(path: Path) -> list[LabelRow]:
    """Read a CSV file with the columns path, label and optionally generator, source, group.

    Relative paths are relative to the CSV's folder. Raise UsageError with the line number where a
    line is not of that form.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            return list(_rows(csv.DictReader(file), path))
    except OSError as error:
        raise UsageError(f"the label file {path} cannot be read: {error.strerror}") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise UsageError(f"the label file {path} is not CSV in UTF-8: {error}") from error


def check_label(text: str, where: str) -> str:
    """Return a label in lower case; raise UsageError unless it is real or fake."""
    label = text.strip().lower()
    if label not in LABELS:
        raise UsageError(f"{where}: expected the label real or fake, got {text!r}")
    return label


def _rows(reader: csv.DictReader[str], path: Path) -> Iterator[LabelRow]:
    columns = {name.strip().lower() for name in reader.fieldnames or ()}
    if not columns >= _REQUIRED:
        raise UsageError(
            f"{path}: expected a first line naming the columns path,label"
            f"[,generator][,source][,group], got {','.join(reader.fieldnames or ())!r}"
        )
    for row in reader:
        where = f"{path}, line {reader.line_num}"
        if None in row or None in row.values():
            raise UsageError(f"{where}: expected {len(columns)} fields as in the first line")
        fields = {name.strip().lower(): value.strip() for name, value in row.items()}
        if not fields["path"]:
            raise UsageError(f"{where}: the path is empty")
        label = Label(
            label=check_label(fields["label"], where),
            generator=fields.get("generator") or None,
            source=fields.get("source") or None,
            group=fields.get("group") or None,
        )
        target = os.path.normpath(path.parent.absolute() / fields["path"])
        yield LabelRow(line=reader.line_num, raw=os.fsencode(target), label=label)
