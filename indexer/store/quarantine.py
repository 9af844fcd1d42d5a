"""Move files the catalog does not know out of the way; nothing is deleted."""

from __future__ import annotations

from pathlib import Path

from indexer.store.catalog import Catalog
from indexer.store.durable import TEMPORARY_SUFFIX
from indexer.store.layout import IndexFolder
from indexer.store.segments import ALL_SUFFIXES


def quarantine_unknown(folder: IndexFolder, catalog: Catalog) -> list[Path]:
    """Move segment files of no commit, left by a kill, into quarantine; return their new paths."""
    known = {(record.space, record.id) for record in catalog.segments()}
    moved = []
    for space in sorted(folder.spaces.glob("*")):
        for path in sorted(space.glob("segments/*")):
            if not _is_known(path, space.name, known):
                moved.append(quarantine(folder, path))
        for path in sorted(space.rglob("*" + TEMPORARY_SUFFIX)):
            moved.append(quarantine(folder, path))
    return moved


def quarantine(folder: IndexFolder, path: Path) -> Path:
    """Move one file of the index into quarantine, under a name that is still free."""
    name = str(path.relative_to(folder.path)).replace("/", "__")
    target = folder.quarantine / name
    number = 1
    while target.exists():
        target = folder.quarantine / f"{name}.{number}"
        number += 1
    folder.quarantine.mkdir(parents=True, exist_ok=True)
    path.replace(target)
    return target


def _is_known(path: Path, space: str, known: set[tuple[str, int]]) -> bool:
    return path.suffix in ALL_SUFFIXES and path.stem.isdigit() and (space, int(path.stem)) in known
