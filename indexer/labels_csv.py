"""A table as spreadsheets write it: CSV with commas, semicolons or tabs, in UTF-8 or UTF-16."""

from __future__ import annotations

import codecs
import csv
import io
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from indexer.errors import UsageError

DELIMITERS = ",;\t|"
_FORMULA = re.compile(r"'*[=+\-@\t\r]")  # what spreadsheets take for one, quoted or not
_MARKS = (  # in this order: the mark of UTF-16 is how that of UTF-32 begins
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


@dataclass(frozen=True)
class TableRow:
    """One row of a table: the number of its last line, and its fields by the columns' names."""

    line: int
    fields: dict[str, str]


def as_cell(value: object) -> object:
    """Return a value as a cell that no spreadsheet takes for a formula; `read_table` undoes it.

    Text that would be one gets an apostrophe in front, as OWASP advises; numbers stay.
    """
    is_one = isinstance(value, str) and _FORMULA.match(value)
    return f"'{value}" if is_one else value


def read_table(path: Path, columns: Sequence[str], required: int) -> Iterator[TableRow]:
    """Yield the rows of a CSV file whose first line names the first ``required`` of ``columns``.

    The delimiter is the one that makes those columns of the first line, unless a line ``sep=;``
    above it names another. Names of columns come in lower case, fields without space around them;
    rows in which nothing is written are left out. Raise UsageError, with the line's number, where
    the file is not such a table.
    """
    lines = io.StringIO(_text(path), newline="")
    above, delimiter = _start(lines, set(columns[:required]))
    reader = csv.reader(lines, delimiter=delimiter, skipinitialspace=True, strict=True)
    try:
        header = _names(next(reader, []))
        if len(set(header)) != len(header) or not set(header) >= set(columns[:required]):
            raise UsageError(
                f"{path}: expected a first line naming the columns {_shown(columns, required)}, "
                f"each once, got {delimiter.join(header)!r}"
            )
        for fields in reader:
            if any(field.strip() for field in fields):
                line = above + reader.line_num
                yield TableRow(line, _row(header, fields, f"{path}, line {line}"))
    except csv.Error as error:
        raise UsageError(
            f"{path}, line {above + reader.line_num}: expected CSV, but {error}"
        ) from error


def _text(path: Path) -> str:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise UsageError(f"the label file {path} cannot be read: {error.strerror}") from error
    try:
        return data.decode(_encoding(data))
    except UnicodeDecodeError as error:
        raise UsageError(
            f"the label file {path} is not CSV in UTF-8 or UTF-16: {error}; save it as UTF-8"
        ) from error


def _encoding(data: bytes) -> str:
    for mark, name in _MARKS:
        if data.startswith(mark):
            return name
    if data[1:2] == b"\0":
        return "utf-16-le"  # without a mark: an ASCII letter has a zero beside it
    return "utf-16-be" if data[:1] == b"\0" else "utf-8"


def _start(lines: io.StringIO, required: set[str]) -> tuple[int, str]:
    """Go to the line that names the columns; return how many are above it, and the delimiter."""
    above, start, first = 0, 0, lines.readline()
    while first and not first.strip():
        above, start, first = above + 1, lines.tell(), lines.readline()
    if first.lower().startswith("sep=") and len(first.rstrip("\r\n")) == len("sep=;"):
        return above + 1, first[4]
    lines.seek(start)
    for delimiter in DELIMITERS:
        if required <= set(_names(next(csv.reader([first], delimiter=delimiter), []))):
            return above, delimiter
    return above, DELIMITERS[0]


def _names(fields: Sequence[str]) -> list[str]:
    names = [field.strip().lower() for field in fields]
    while names and not names[-1]:
        names.pop()  # spreadsheets end lines with delimiters of empty columns
    return names


def _row(header: Sequence[str], fields: Sequence[str], where: str) -> dict[str, str]:
    """Return a row's fields by name; raise UsageError where they are not as many."""
    values = [_value(field) for field in fields]
    if len(values) < len(header) or any(values[len(header) :]):
        raise UsageError(f"{where}: expected {len(header)} fields as in the first line")
    return dict(zip(header, values, strict=False))


def _value(field: str) -> str:
    """Return a field without what `as_cell` and people's spaces put around it."""
    text = field.strip()
    return text[1:] if text.startswith("'") and _FORMULA.match(text) else text


def _shown(columns: Sequence[str], required: int) -> str:
    return ",".join(columns[:required]) + "".join(f"[,{name}]" for name in columns[required:])
