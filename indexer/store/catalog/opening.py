"""Open a catalog, whichever version of dfindex wrote it and wherever its corpus is by now."""

from __future__ import annotations

from pathlib import Path

from duckdb import DuckDBPyConnection

from indexer.store.catalog.catalog import Catalog
from indexer.store.catalog.changes import WritableCatalog
from indexer.store.catalog.database import attach, attach_copy, translated
from indexer.store.catalog.migrations import check_readable, is_current, migrate
from indexer.store.catalog.roots import locate


def open_catalog(file: Path) -> Catalog:
    """Open a catalog, and never write to it: an older one is upgraded on a copy in memory.

    Raise IndexFormatError where a newer dfindex wrote it, IndexDamagedError where it is damaged.
    """
    connection = attach(file, read_only=True)
    try:
        with translated(file):
            check_readable(connection)
            if not is_current(connection):
                connection.close()
                connection = attach_copy(file)
                migrate(connection, Catalog(connection, file).index)
        catalog = Catalog(connection, file)
        locate(catalog)
    except BaseException:
        connection.close()
        raise
    return catalog


def upgraded(connection: DuckDBPyConnection, file: Path) -> WritableCatalog:
    """Return the catalog open for writing on a connection, in the newest format.

    Where its corpus moved, it is remembered where that is now.
    """
    catalog = WritableCatalog(connection, file)
    with translated(file):
        migrate(connection, catalog.index)
    catalog.follow_roots()
    return catalog
