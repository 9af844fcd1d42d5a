"""Read an index as it was last published, without ever waiting for its writer."""

from __future__ import annotations

import os
from pathlib import Path

from indexer.closing import Closing
from indexer.errors import IndexNotFoundError, UsageError
from indexer.store.catalog.catalog import SpaceRow
from indexer.store.catalog.opening import open_catalog
from indexer.store.durable import is_there
from indexer.store.folder import IndexFolder
from indexer.store.readers import ReaderLock
from indexer.store.vectors.space import Space


class IndexReader(Closing):
    """One generation of an index.

    Raise IndexNotFoundError where there is no index, IndexFormatError where a newer dfindex
    wrote it, IndexDamagedError where the snapshot is damaged.
    """

    def __init__(self, path: Path) -> None:
        self.folder = IndexFolder(path)
        if not is_there(self.folder.published):
            raise IndexNotFoundError(
                f"there is no index at {path}; expected a folder made by dfindex build; "
                "build one, or name another with --index"
            )
        self._open()

    def close(self) -> None:
        """Let go of the snapshot."""
        self.catalog.close()
        self._lock.close()

    def _open(self) -> None:
        """Open the snapshot, and keep its segments from being deleted by a compaction."""
        while True:
            before = self.folder.published.stat()
            self.catalog = open_catalog(self.folder.published)
            try:
                self._lock = ReaderLock(self.folder, self.catalog.generation)
                if os.path.samestat(before, self.folder.published.stat()):
                    return
            except BaseException:
                self.catalog.close()
                raise
            self.close()  # another was published before the lock was there

    def spaces(self) -> list[SpaceRow]:
        """Return all spaces, the oldest first."""
        return self.catalog.spaces()

    def space(self, name: str | None = None) -> Space:
        """Open a space by its name or fingerprint; the oldest where none is named.

        Raise UsageError where the name fits no space, or more than one.
        """
        rows = self.spaces()
        if name is not None:
            rows = [row for row in rows if name in (row.name, row.fingerprint)]
        if not rows or (name is not None and len(rows) > 1):
            known = ", ".join(f"{row.name} ({row.fingerprint})" for row in self.spaces()) or "none"
            raise UsageError(
                f"expected the name or fingerprint of one space, got {name!r}; there are: {known}"
                if name is not None
                else f"the index {self.folder.path} holds no embeddings yet; run dfindex build"
            )
        return Space(self.catalog, rows[0], self.folder.space(rows[0].fingerprint))
