"""Whether the files of an index are still there, and still what they were when it was built."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import StrEnum

from indexer.corpus import found_at, is_below
from indexer.errors import MediaError
from indexer.media.files import open_file
from indexer.store.catalog.catalog import Catalog

_PAGE = 4096
_READ_BYTES = 1 << 28  # what a quick look reads of files with another time than they had
_COMPARED = 8  # files whose content is compared before a folder is believed to be another


class Presence(StrEnum):
    """What became of a file since it was indexed."""

    PRESENT = "present"
    GONE = "gone"
    CHANGED = "changed"
    UNVERIFIED = "unverified"


@dataclass(frozen=True, kw_only=True)
class FilesThere:
    """Indexed files by what became of them.

    ``unverified`` files have the size they had and another time, as copies may, and were too many
    to be read; ``links`` of all are further names of a file that is counted under another.
    """

    present: int
    gone: int
    changed: int
    unverified: int
    links: int


@dataclass(frozen=True, kw_only=True)
class FilesRead:
    """What a thorough look at the corpus found: ``read`` files were compared by SHA-256.

    ``changed`` holds those of another content, or another size; ``gone`` those that are not there
    or cannot be read.
    """

    seen: int
    read: int
    gone: tuple[str, ...]
    changed: tuple[str, ...]


def look_for_files(catalog: Catalog) -> FilesThere:
    """Look whether each indexed file is there with the size and time it had.

    Those of another time are compared by SHA-256, as long as they are few bytes.
    """
    counts = dict.fromkeys(Presence, 0)
    left = _READ_BYTES
    for file in _files(catalog):
        presence = file.presence()
        if file.is_to_be_read(presence, every=False):
            left -= file.size
            presence = file.read() if left >= 0 else Presence.UNVERIFIED
        counts[presence] += 1
    names, files = catalog.query(
        "SELECT count(*), count(DISTINCT (device, inode)) FROM files "
        "WHERE state = 'indexed' AND inode IS NOT NULL"
    )[0]
    return FilesThere(
        **{presence.value: count for presence, count in counts.items()},
        links=names - files,
    )


def read_files(catalog: Catalog, *, every: bool) -> FilesRead:
    """Compare indexed files by SHA-256: ``every`` one, else those of another time than they had.

    A file of another size is changed without being read.
    """
    seen = read = 0
    found: dict[Presence, list[str]] = {Presence.GONE: [], Presence.CHANGED: []}
    for file in _files(catalog):
        seen += 1
        presence = file.presence()
        if file.is_to_be_read(presence, every=every):
            read += 1
            presence = file.read()
        if presence is not Presence.PRESENT:
            found[presence].append(file.path)
    return FilesRead(
        seen=seen,
        read=read,
        gone=tuple(found[Presence.GONE]),
        changed=tuple(found[Presence.CHANGED]),
    )


@dataclass(frozen=True, kw_only=True)
class FilesElsewhere:
    """Of some indexed ``files``, how many are ``there`` at another place with the size they had.

    ``same`` of ``compared`` ones have the SHA-256 they had.
    """

    files: int
    there: int
    compared: int
    same: int


def look_elsewhere(catalog: Catalog, old: bytes, new: bytes) -> FilesElsewhere:
    """Look at ``new`` for what was indexed at or below ``old``."""
    moved = [
        replace(file, raw=new + file.raw[len(old) :])
        for file in _files(catalog, failed=True)
        if is_below(file.raw, [old])
    ]
    there = [file for file in moved if file.has_its_size()]
    step = max(1, len(there) // _COMPARED)
    read = [file for file in there[::step] if file.has_sha256()][:_COMPARED]
    return FilesElsewhere(
        files=len(moved),
        there=len(there),
        compared=len(read),
        same=sum(file.read() is Presence.PRESENT for file in read),
    )


@dataclass(frozen=True)
class IndexedFile:
    """A file as the catalog knows it."""

    raw: bytes
    path: str
    size: int
    mtime_ns: int
    sha256: str | None

    def presence(self) -> Presence:
        """Tell what became of the file by its size and time."""
        now = found_at(self.raw)
        if now is None:
            return Presence.GONE
        same = (now.size, now.mtime_ns) == (self.size, self.mtime_ns)
        return Presence.PRESENT if same else Presence.CHANGED

    def has_its_size(self) -> bool:
        """Tell whether there is a file of this size, whatever its time."""
        now = found_at(self.raw)
        return now is not None and now.size == self.size

    def has_sha256(self) -> bool:
        """Tell whether its bytes can be compared: a folder of frames has none of its own."""
        return self.sha256 is not None and not os.path.isdir(self.raw)

    def is_to_be_read(self, presence: Presence, *, every: bool) -> bool:
        """Tell whether only its bytes can say whether the file is what it was."""
        if presence is Presence.GONE or not self.has_sha256():
            return False
        return every or (presence is Presence.CHANGED and os.path.getsize(self.raw) == self.size)

    def read(self) -> Presence:
        """Tell by its SHA-256 what became of the file."""
        try:
            with open_file(self.raw) as file:
                same = hashlib.file_digest(file, "sha256").hexdigest() == self.sha256
        except (MediaError, OSError):
            return Presence.GONE
        return Presence.PRESENT if same else Presence.CHANGED


def _files(catalog: Catalog, *, failed: bool = False) -> Iterator[IndexedFile]:
    """Yield the indexed files of a catalog, and with ``failed`` those that could not be."""
    end = catalog.query("SELECT coalesce(max(row) + 1, 0) FROM paths")[0][0]
    for first in range(0, end, _PAGE):
        rows = catalog.query(
            "SELECT raw, path, size, mtime_ns, sha256 FROM paths "
            "WHERE row >= $first AND row < $end AND ($failed OR state = 'indexed') ORDER BY row",
            {"first": first, "end": first + _PAGE, "failed": failed},
        )
        for raw, *rest in rows:
            yield IndexedFile(bytes(raw), *rest)
