"""Restore the catalog of an index from what can be read of its two copies."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from indexer.errors import IndexFormatError
from indexer.store.catalog.changes import WritableCatalog
from indexer.store.catalog.database import attach
from indexer.store.catalog.opening import upgraded
from indexer.store.durable import sync_folder
from indexer.store.folder import IndexFolder
from indexer.store.maintenance.database_check import copy_rows, copy_tables
from indexer.store.maintenance.examination import Catalogs, Examination, newest_readable
from indexer.store.maintenance.quarantine import quarantine

# What people told the index, by content: it means the same beside rows from elsewhere.
_TOLD = ("labels", "decisions", "orientations", "removals")


@contextmanager
def restored(
    folder: IndexFolder, catalogs: Catalogs, result: Examination
) -> Iterator[WritableCatalog]:
    """Hand out a catalog that is whole, which is the index's once the work on it is done.

    What is inside publishes it: until then readers have what they had, and after a kill too.
    """
    ours = catalogs.ours
    if newest_readable(folder, catalogs) == folder.catalog and ours and not ours.problem:
        with _opened(folder.catalog) as catalog:
            yield catalog
        return
    fresh = folder.catalog.with_name(folder.catalog.name + ".tmp")
    try:
        _make(fresh, folder, catalogs, result)
        with _opened(fresh) as catalog:
            with catalog.transaction():
                pass  # of a higher generation than the copies it replaces
            yield catalog
        _put_in_place(folder, fresh, result)
    finally:
        _forget(fresh)


@contextmanager
def _opened(file: Path) -> Iterator[WritableCatalog]:
    catalog = upgraded(attach(file, read_only=False), file)
    try:
        yield catalog
    finally:
        catalog.close()


def _make(fresh: Path, folder: IndexFolder, catalogs: Catalogs, result: Examination) -> None:
    """Make a new catalog of what can be read of the old ones."""
    _forget(fresh)
    newest = newest_readable(folder, catalogs)
    if newest is not None:
        copy_rows(newest, fresh)
        result.actions.append(f"restored the catalog from {newest}")
    else:
        _refuse_foreign(catalogs)
        _start_anew(folder, fresh, result)


def _refuse_foreign(catalogs: Catalogs) -> None:
    for state in (catalogs.ours, catalogs.published):
        if state is not None and state.foreign:
            raise IndexFormatError(state.problem)


def _start_anew(folder: IndexFolder, fresh: Path, result: Examination) -> None:
    """Make a new catalog, with what people told the old ones as far as it can be read."""
    upgraded(attach(fresh, read_only=False), fresh).close()
    kept: list[str] = []
    for file in (folder.catalog, folder.published):
        if file.exists():
            kept += copy_tables(file, fresh, [name for name in _TOLD if name not in kept])
    lost = [name for name in _TOLD if name not in kept]
    result.actions.append(
        "started a new catalog"
        + (f", with {', '.join(kept)} of the old one" if kept else "")
        + (f"; {', '.join(lost)} are lost" if lost else "")
    )


def _put_in_place(folder: IndexFolder, fresh: Path, result: Examination) -> None:
    """Let a new catalog, published by now, take the place of the damaged one."""
    wal = folder.catalog.with_name(folder.catalog.name + ".wal")
    # The log first: left beside another catalog, it would be written into that one.
    damaged = [file for file in (wal, folder.catalog) if file.exists()]
    if damaged:
        number = quarantine(folder, damaged)
        result.actions.append(f"moved the damaged {folder.catalog} to quarantine {number}")
    fresh.replace(folder.catalog)
    sync_folder(folder.path)


def _forget(fresh: Path) -> None:
    for suffix in ("", ".wal"):
        fresh.with_name(fresh.name + suffix).unlink(missing_ok=True)
