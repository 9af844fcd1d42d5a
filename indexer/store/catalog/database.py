"""The border to DuckDB: opening, publishing, and what its errors mean."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import duckdb
from duckdb import DuckDBPyConnection

from indexer.corpus import as_text
from indexer.disk import code_in, way_out
from indexer.errors import IndexDamagedError, IndexFormatError, IndexLockedError, StoreError
from indexer.store.durable import TEMPORARY_SUFFIX, sync_file, sync_folder

# Readable by every DuckDB that dfindex supports, so that an upgrade of the library never
# turns a user's index into one that the version beside it cannot open.
STORAGE_VERSION = "v1.2.0"

# What DuckDB says where another process, or this one, has a file open for writing.
_IN_USE = ("Could not set lock", "Unique file handle conflict")
_PATIENCE, _MOMENT = 20.0, 0.1  # seconds


def attach(path: Path, *, read_only: bool) -> DuckDBPyConnection:
    """Open a database file in an instance of its own.

    An instance of its own, because DuckDB otherwise hands out the one already open for the same
    path, which after a publication is the replaced file.
    """
    with translated(path):
        connection = duckdb.connect(":memory:")
        mode = "READ_ONLY" if read_only else f"STORAGE_VERSION '{STORAGE_VERSION}'"
        connection.execute(f"ATTACH '{_quoted(path)}' AS catalog ({mode})")
        connection.execute("USE catalog")
        connection.execute("SET TimeZone = 'UTC'")
    return connection


def attach_when_free(path: Path) -> DuckDBPyConnection:
    """Open a database file to write to it; whoever looks it over is waited for, for a while."""
    until = time.monotonic() + _PATIENCE
    while True:
        try:
            return attach(path, read_only=False)
        except IndexLockedError:
            if time.monotonic() >= until:
                raise
            time.sleep(_MOMENT)


def attach_copy(path: Path) -> DuckDBPyConnection:
    """Open a copy in memory of a database file, which is not touched."""
    with translated(path):
        connection = duckdb.connect(":memory:")
        connection.execute(f"ATTACH '{_quoted(path)}' AS original (READ_ONLY)")
        connection.execute("ATTACH ':memory:' AS catalog")
        connection.execute("COPY FROM DATABASE original TO catalog")
        connection.execute("DETACH original")
        connection.execute("USE catalog")
        connection.execute("SET TimeZone = 'UTC'")
    return connection


def publish(connection: DuckDBPyConnection, target: Path) -> None:
    """Copy the whole database to ``target``, which is replaced at once and never seen half."""
    temporary = target.with_name(target.name + TEMPORARY_SUFFIX)
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary.unlink(missing_ok=True)
    try:
        with translated(target):
            connection.execute("CHECKPOINT catalog")
            copy_to(connection, temporary)
        sync_file(temporary)
        temporary.replace(target)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    sync_folder(target.parent)


def copy_to(connection: DuckDBPyConnection, target: Path) -> None:
    """Copy all rows of a connection's database into a new file."""
    _into(connection, target, "COPY FROM DATABASE catalog TO snapshot")


def copy_table(connection: DuckDBPyConnection, target: Path, table: str) -> None:
    """Copy the rows of one table into the same, empty, table of another database file."""
    _into(
        connection,
        target,
        f'INSERT INTO snapshot."{table}" BY NAME SELECT * FROM catalog."{table}"',
    )


def _into(connection: DuckDBPyConnection, target: Path, statement: str) -> None:
    connection.execute(
        f"ATTACH '{_quoted(target)}' AS snapshot (STORAGE_VERSION '{STORAGE_VERSION}')"
    )
    try:
        connection.execute(statement)
    except duckdb.Error:
        with suppress(duckdb.Error):  # the first error says more
            connection.execute("DETACH snapshot")
        raise
    connection.execute("DETACH snapshot")


@contextmanager
def translated(path: Path) -> Iterator[None]:
    """Turn DuckDB's errors into dfindex's, naming the file and the way out."""
    try:
        yield
    except duckdb.Error as error:
        reason = str(error).splitlines()[0]
        code = code_in(str(error))
        if code is not None:
            raise StoreError(f"{path}: {reason}; {way_out(code, path)}") from error
        if "newer version" in reason or "storage version" in reason.lower():
            raise IndexFormatError(
                f"{path} was written by a newer DuckDB than this one, or by another program: "
                f"{reason}; update duckdb, or name another folder with --index"
            ) from error
        if any(sign in reason for sign in _IN_USE):
            raise IndexLockedError(f"{path} is in use: {reason}") from error
        if _means_damage(reason):
            raise IndexDamagedError(
                f"{path} is damaged: {reason}; run dfindex doctor --repair"
            ) from error
        raise StoreError(f"the catalog {path} cannot be used: {reason}") from error


def _means_damage(reason: str) -> bool:
    signs = (
        "corrupt",
        "could not read",
        "checksum",
        "serializ",
        "not a valid duckdb",
        "wal file",
        "fatal",
        "internal",
    )
    return any(sign in reason.lower() for sign in signs)


def _quoted(path: Path) -> str:
    try:
        str(path).encode()
    except UnicodeEncodeError as error:
        raise StoreError(
            f"expected an index in a folder whose path is UTF-8, as DuckDB needs it, got "
            f"{as_text(os.fsencode(path))}; rename the folder, or go into it and name the index "
            "from there"
        ) from error
    return str(path).replace("'", "''")
