"""The folders that an index's files lie below, and where each is now: a case may be moved whole.

A root is kept twice: where it was last, as an absolute path, and as seen from the index folder. An
index that moved together with its corpus finds it by the second, any other by the first.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from indexer.corpus import as_text, prefix_of
from indexer.store.catalog.catalog import Catalog

PROBES = 16  # files of a root that are looked for to tell where it is

# What the catalog's own tables say of files, with each path as it is now.
_VIEWS = """
    CREATE OR REPLACE TEMP VIEW paths AS
      SELECT f.root, f.rel, p.prefix || f.rel AS raw, p.name || f.name AS path, f.size,
             f.mtime_ns, f.sha256, f.state, f.missing, f.device, f.inode, f.rowid AS row
      FROM catalog.main.files f JOIN temp.places p ON p.root = f.root {once};
    CREATE OR REPLACE TEMP VIEW failures AS
      SELECT t.raw, t.path, e.sha256, e.reason, e.message, e.failed_at
      FROM catalog.main.problems e JOIN temp.paths t ON t.root = e.root AND t.rel = e.rel;
"""
# Where roots have come to lie in each other, a file is one path, of the nearest root.
_ONCE = (
    "QUALIFY row_number() OVER (PARTITION BY raw ORDER BY octet_length(p.prefix) DESC, f.root) = 1"
)


@dataclass(frozen=True)
class Root:
    """A folder: its absolute path where it was last, and its path from the index folder."""

    id: int
    absolute: bytes
    relative: bytes


@dataclass(frozen=True)
class Place:
    """Where a root is now; ``moved`` where that is to be remembered."""

    root: Root
    location: bytes
    moved: bool = False


def locate(catalog: Catalog) -> list[Place]:
    """Find where each root is now, and let the catalog tell its paths by it."""
    index = os.fsencode(catalog.index)
    places = []
    for id_, absolute, relative in catalog.query("SELECT * FROM roots ORDER BY id"):
        root = Root(id_, bytes(absolute), bytes(relative))
        places.append(place_of(root, index, partial(_some_files, catalog, id_)))
    show_paths(catalog, [(place.root.id, place.location) for place in places])
    return places


def place_of(root: Root, index: bytes, probes: Callable[[], Sequence[bytes]]) -> Place:
    """Find a root: as seen from the index if any of ``probes`` is there, else where it was.

    A copy of a case beside its original thereby uses its own files.
    """
    seen = list(dict.fromkeys(_seen_from(root.relative, index)))
    elsewhere = [folder for folder in seen if not _same_folder(folder, root.absolute)]
    if not elsewhere:
        return Place(root, root.absolute)
    names = probes()
    for folder in (*elsewhere, root.absolute):
        if any(os.path.lexists(os.path.join(folder, name)) for name in names):
            return Place(root, folder, moved=folder != root.absolute or elsewhere == seen)
    return Place(root, root.absolute)


def show_paths(catalog: Catalog, places: Sequence[tuple[int, bytes]]) -> None:
    """Make the views ``paths`` and ``failures`` of a connection, with roots where they are now."""
    prefixes = [prefix_of(location) for _, location in places]
    catalog.query(
        "CREATE OR REPLACE TEMP TABLE places AS SELECT unnest($root::INTEGER[]) AS root, "
        "unnest($prefix::BLOB[]) AS prefix, unnest($name::VARCHAR[]) AS name",
        {
            "root": [root for root, _ in places],
            "prefix": prefixes,
            "name": [as_text(prefix) for prefix in prefixes],
        },
    )
    catalog.query(_VIEWS.format(once=_ONCE if nested(prefixes) else ""))


def relative_to(index: bytes, folder: bytes) -> bytes:
    """Return a folder's path as seen from the index: the shorter one where links make two."""
    as_named = os.path.relpath(folder, os.path.abspath(index))
    real = os.path.relpath(os.path.realpath(folder), os.path.realpath(index))
    return min(as_named, real, key=lambda path: path.split(b"/").count(b".."))


def nested(prefixes: Sequence[bytes]) -> bool:
    """Tell whether any of some folders lies in another; before its name comes what it lies in."""
    ordered = sorted(prefixes)
    return any(
        after.startswith(before) for before, after in zip(ordered, ordered[1:], strict=False)
    )


def _seen_from(relative: bytes, index: bytes) -> list[bytes]:
    """Return where a path leads from the index, by its name and by the folder that it means."""
    folders = (os.path.abspath(index), os.path.realpath(index))
    return [os.path.normpath(os.path.join(folder, relative)) for folder in folders]


def _same_folder(one: bytes, other: bytes) -> bool:
    if one == other:
        return True
    try:
        return os.path.samefile(one, other)
    except OSError:
        return False


def _some_files(catalog: Catalog, root: int) -> list[bytes]:
    rows = catalog.query(
        "SELECT rel FROM files WHERE root = ? ORDER BY missing, state DESC, hash(rel) LIMIT ?",
        [root, PROBES],
    )
    return [bytes(rel) for (rel,) in rows]
