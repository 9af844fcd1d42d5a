"""Look at an index as a whole: its store, what lies beside it, and the files it is of."""

from __future__ import annotations

from pathlib import Path

from dfindex.doctor.heads import check_heads
from dfindex.doctor.kept_files import check_kept
from indexer.errors import IndexNotFoundError, StoreError
from indexer.store.catalog.presence import FilesRead, read_files
from indexer.store.folder import IndexFolder
from indexer.store.maintenance.examination import Examination, examine
from indexer.store.maintenance.repair import repair as repaired
from indexer.store.reader import IndexReader


def doctor(index: Path, *, repair: bool, every_file: bool = False) -> Examination:
    """Check an index and whether its files are there, and repair the index where ``repair``.

    Files are compared by size and time, those of another time by SHA-256; all by SHA-256 with
    ``every_file``.
    """
    if not IndexFolder(index).exists():
        raise IndexNotFoundError(f"there is no index at {index}; build one with dfindex build")
    result = repaired(index) if repair else examine(index)
    check_kept(index, result, repair=repair)
    check_heads(index, result)
    result.files = _read_files(index, every=every_file)
    return result


def _read_files(index: Path, *, every: bool) -> FilesRead | None:
    """Look at the corpus, if the index can be opened."""
    try:
        with IndexReader(index) as reader:
            return read_files(reader.catalog, every=every)
    except StoreError:
        return None  # which the examination has told
