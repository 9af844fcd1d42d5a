"""One build's look at the corpus, kept in the writer's database: what is new, what is gone."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import TypeVar

from indexer.corpus import FoundFile, is_below
from indexer.errors import MediaError
from indexer.media.formats import read_now
from indexer.store.catalog.changes import WritableCatalog
from indexer.types import Reason

T = TypeVar("T")

_PAGE = 1024

# Failures that may be gone the next time, with the file itself unchanged.
RETRIED = (Reason.UNREADABLE, Reason.TIMEOUT, Reason.INTERNAL)


class Scan:
    """The files a build sees, in a temporary table, so that memory does not grow with them."""

    def __init__(self, catalog: WritableCatalog, *, space: str, retry_failed: bool = False) -> None:
        self._catalog = catalog
        self._space = space
        self._retried = [reason.value for reason in (Reason if retry_failed else RETRIED)]
        catalog.query(
            "CREATE OR REPLACE TEMP TABLE scan (ord BIGINT, raw BLOB, path VARCHAR, "
            "size BIGINT, mtime_ns BIGINT, device UBIGINT, inode UBIGINT, reason VARCHAR, "
            "message VARCHAR)"
        )

    def add(self, files: Iterable[FoundFile]) -> Iterator[int]:
        """Note ``files``; yield how many there are so far, page by page."""
        seen = 0
        for page in _pages(files):
            self._add_page(page, seen)
            seen += len(page)
            yield seen
        self._decide()

    def counts(self) -> tuple[int, int]:
        """Return how many files were seen and how many of them are to be read."""
        row = self._catalog.query("SELECT count(*), count(*) FILTER (pending) FROM scan")[0]
        return int(row[0]), int(row[1])

    def pending(self) -> Iterator[FoundFile]:
        """Yield the files to be read, in the order they were found."""
        last = -1
        while True:
            rows = self._catalog.query(
                "SELECT ord, raw, path, size, mtime_ns, device, inode, reason, message FROM scan "
                "WHERE pending AND ord > ? ORDER BY ord LIMIT ?",
                [last, _PAGE],
            )
            if not rows:
                return
            last = rows[-1][0]
            for _, raw, path, size, mtime_ns, device, inode, reason, message in rows:
                yield FoundFile(
                    raw=bytes(raw),
                    path=path,
                    size=size,
                    mtime_ns=mtime_ns,
                    device=device,
                    inode=inode,
                    problem=MediaError(Reason(reason), message) if reason else None,
                )

    def missing(self, folders: Sequence[bytes]) -> list[tuple[bytes, str]]:
        """Return (raw, path) of catalogued files at or below ``folders`` that were not seen."""
        rows = self._catalog.query(
            "SELECT raw, path FROM paths WHERE raw NOT IN (SELECT raw FROM scan) ORDER BY raw"
        )
        return [(bytes(raw), path) for raw, path in rows if is_below(bytes(raw), folders)]

    def remember(self, missing: list[bytes]) -> None:
        """Remember which files are gone, and which file each of those seen is."""
        self._catalog.files.mark_missing(missing)
        self._catalog.query(
            """
            UPDATE files SET missing = false, device = s.device, inode = s.inode
            FROM paths p JOIN scan s ON s.raw = p.raw
            WHERE files.root = p.root AND files.rel = p.rel
              AND (p.missing OR (p.device, p.inode) IS DISTINCT FROM (s.device, s.inode))
            """
        )

    def _add_page(self, page: list[FoundFile], first: int) -> None:
        self._catalog.query(
            "INSERT INTO scan SELECT unnest($ord::BIGINT[]), unnest($raw::BLOB[]), "
            "unnest($path::VARCHAR[]), unnest($size::BIGINT[]), unnest($mtime::BIGINT[]), "
            "unnest($device::UBIGINT[]), unnest($inode::UBIGINT[]), "
            "unnest($reason::VARCHAR[]), unnest($message::VARCHAR[])",
            {
                "ord": list(range(first, first + len(page))),
                "raw": [file.raw for file in page],
                "path": [file.path for file in page],
                "size": [file.size for file in page],
                "mtime": [file.mtime_ns for file in page],
                "device": [file.device for file in page],
                "inode": [file.inode for file in page],
                "reason": [file.problem.reason.value if file.problem else None for file in page],
                "message": [file.problem.message if file.problem else None for file in page],
            },
        )

    def _decide(self) -> None:
        """Decide which files are to be read: the one place where "already embedded?" is answered.

        A file is left alone when its size and time are those in the catalog and it either has an
        embedding in this space or failed for a reason that will not go away by itself. The lack
        of a library has gone where it is installed by now.
        """
        self._catalog.query("ALTER TABLE scan ADD COLUMN pending BOOLEAN DEFAULT true")
        self._catalog.query(
            """
            UPDATE scan SET pending = false FROM paths p
            WHERE p.raw = scan.raw AND p.size = scan.size AND p.mtime_ns = scan.mtime_ns
              AND ((p.state = 'indexed' AND scan.reason IS NULL AND p.sha256 IN (
                        SELECT s.sha256 FROM samples s JOIN embeddings e ON e.sample_id = s.id
                        WHERE e.space = $space
                          AND s.id NOT IN (SELECT sample_id FROM tombstones)))
                OR (p.state = 'failed' AND p.raw IN (
                        SELECT raw FROM failures WHERE NOT list_contains($retried, reason)
                          AND NOT list_contains($read_now, message))))
            """,
            {"space": self._space, "retried": self._retried, "read_now": read_now()},
        )


def _pages(items: Iterable[T]) -> Iterator[list[T]]:
    iterator = iter(items)
    while page := list(islice(iterator, _PAGE)):
        yield page
