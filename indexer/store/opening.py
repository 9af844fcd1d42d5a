"""Open a catalog for reading, whichever version of dfindex wrote it."""

from __future__ import annotations

from pathlib import Path

from indexer.store.catalog import Catalog
from indexer.store.database import attach, attach_copy, translated
from indexer.store.migrations import check_readable, is_current, migrate


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
                migrate(connection)
    except BaseException:
        connection.close()
        raise
    return Catalog(connection, file)
