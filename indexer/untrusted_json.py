"""JSON from outside: a regular file of bounded size, finite numbers, each name once."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from indexer.errors import EncoderError

MOST_BYTES = 8 << 20  # a configuration that names 21,000 labels twice has 2 MiB
_SHOWN = 120  # characters of somebody else's words in a message

# What values of other types and sizes than are expected raise, wherever they are met.
MISFITS = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    LookupError,
    RecursionError,
    TypeError,
    ValueError,
)


def read(path: Path) -> Any:
    """Read a JSON file; raise ValueError for what is none, OSError where it cannot be read."""
    if not path.is_file():
        path.stat()  # which raises where there is nothing
        raise ValueError("it is no file")
    with path.open("rb") as file:
        data = file.read(MOST_BYTES + 1)
    if len(data) > MOST_BYTES:
        raise ValueError(f"more than {MOST_BYTES} bytes")
    return parse(data)


def parse(data: bytes) -> Any:
    """Parse JSON; raise ValueError also for infinities, names given twice and deep nesting."""
    try:
        return json.loads(
            data, parse_constant=_finite, parse_float=_finite, object_pairs_hook=_once
        )
    except RecursionError as error:
        raise ValueError("nested too deeply") from error


def whole(value: object, *, most: int) -> int:
    """Return a whole number from 0 to ``most``; raise ValueError for anything else."""
    if type(value) is not int or not 0 <= value <= most:
        raise ValueError(f"expected a whole number from 0 to {most}, got {shown(value)}")
    return value


def shown(value: object) -> str:
    """Return a value or error as far as a message has room for it."""
    text = str(value) if isinstance(value, BaseException) else repr(value)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."


@contextmanager
def border(folder: Path, *also: type[Exception]) -> Iterator[None]:
    """Turn what a folder's hostile or broken values raise into one EncoderError."""
    misfits: tuple[type[Exception], ...] = (*MISFITS, *also)
    try:
        yield
    except misfits as error:
        raise EncoderError(
            f"{folder.name}: expected the files of an encoder, got ones that make none "
            f"({type(error).__name__}: {shown(error)}); get them again from where they came"
        ) from error


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"expected finite numbers, got {text[:_SHOWN]}")
    return value


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name is given twice")
    return found
