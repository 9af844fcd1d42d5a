"""Write columns as a Parquet table, by DuckDB, which needs no other library."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TypeAlias

import duckdb
import numpy as np

from indexer.disk import code_in, way_out
from indexer.errors import StoreError
from indexer.types import FloatArray, Int64

# A list of values; an array (n,) or, for lists of numbers, (n, k); or the fields of a struct.
Column: TypeAlias = Sequence[object] | FloatArray | Int64 | Mapping[str, "Column"]


def write_parquet(path: Path, columns: Mapping[str, Column], types: Mapping[str, str]) -> None:
    """Write a table whole or not at all; raise StoreError.

    ``types`` are DuckDB's, by column; what has none is text where it is a list, and as it is
    where it is an array.
    """
    flat: dict[str, object] = {}
    chosen = ", ".join(
        _typed(_flattened(flat, column), column, types.get(name)) + f" AS {name}"
        for name, column in columns.items()
    )
    temporary = path.with_name(path.name + ".part")
    target = str(temporary).replace("'", "''")
    connection = duckdb.connect(":memory:")
    try:
        connection.register("columns", flat)
        connection.execute(f"COPY (SELECT {chosen} FROM columns) TO '{target}' (FORMAT parquet)")
        temporary.replace(path)
    except duckdb.Error as error:
        reason = str(error).splitlines()[0]
        way = way_out(code_in(str(error)), path)
        raise StoreError(f"could not write {path}: {reason}; {way}") from error
    finally:
        connection.close()
        temporary.unlink(missing_ok=True)


def _typed(expression: str, column: Column, type_: str | None) -> str:
    if type_ is None and not isinstance(column, np.ndarray | Mapping):
        type_ = "VARCHAR"
    return expression if type_ is None else f"{expression}::{type_}"


def _flattened(flat: dict[str, object], column: Column) -> str:
    """Put a column among flat ones, of which DuckDB reads any; return what joins them again."""
    if isinstance(column, Mapping):
        fields = (f"'{name}': {_flattened(flat, field)}" for name, field in column.items())
        return f"{{{', '.join(fields)}}}"
    if isinstance(column, np.ndarray) and column.ndim == 2:
        return f"[{', '.join(_flattened(flat, values) for values in column.T)}]"
    name = f"c{len(flat)}"
    if isinstance(column, np.ndarray):
        flat[name] = np.ascontiguousarray(column)
    else:
        flat[name] = np.array(column, dtype=object if None in column else None)
    return name
