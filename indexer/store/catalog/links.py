"""Which of an index's paths are one file: links are known as links, and are no copies."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass

from indexer.store.catalog.catalog import Catalog


@dataclass(frozen=True, kw_only=True)
class FileLink:
    """A path that is only a further name, by a hard or symbolic link, of the file at ``of``."""

    path: str
    of: str


@dataclass(frozen=True)
class Names:
    """The paths of one content: ``files`` has one for each file of it, ``links`` the others."""

    files: tuple[str, ...]
    links: tuple[FileLink, ...]


@dataclass(frozen=True)
class _Name:
    raw: bytes
    path: str
    missing: bool
    device: int | None
    inode: int | None

    def file(self) -> object:
        """Return what is the same for all names of one file: as it is now, else as it was."""
        try:
            status = os.stat(self.raw)
        except OSError:
            return self.raw if self.inode is None else (self.device, self.inode)
        return status.st_dev, status.st_ino

    def rank(self) -> tuple[bool, bool, str]:
        """Order the names of a file: the one that it lies under goes before links to it."""
        return self.missing, os.path.realpath(self.raw) != self.raw, self.path


def names_of(catalog: Catalog, contents: Iterable[str]) -> dict[str, Names]:
    """Return the paths of those of some contents that have more than one, by SHA-256."""
    rows = catalog.query(
        """
        SELECT sha256, raw, path, missing, device, inode FROM paths
        WHERE state = 'indexed' AND sha256 IN (SELECT unnest($contents::VARCHAR[]))
        QUALIFY count(*) OVER (PARTITION BY sha256) > 1
        """,
        {"contents": sorted(set(contents))},
    )
    several: dict[str, list[_Name]] = {}
    for sha256, raw, *rest in rows:
        several.setdefault(sha256, []).append(_Name(bytes(raw), *rest))
    return {sha256: _told_apart(names) for sha256, names in several.items()}


def _told_apart(names: Iterable[_Name]) -> Names:
    files: dict[object, str] = {}
    links = []
    for name in sorted(names, key=_Name.rank):
        of = files.setdefault(name.file(), name.path)
        if of != name.path:
            links.append(FileLink(path=name.path, of=of))
    return Names(tuple(files.values()), tuple(links))
