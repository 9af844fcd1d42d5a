"""Find the roots of an index that kept absolute paths alone, and where they may have moved."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from duckdb import DuckDBPyConnection

from indexer.corpus import as_text, highest, is_below, prefix_of
from indexer.store.catalog.roots import PROBES, relative_to

_DEPTH = 2  # folders on the way to a root that are common by chance: /home/somebody, /mnt/disk


@dataclass(frozen=True)
class _File:
    raw: bytes
    size: int


def give_roots(connection: DuckDBPyConnection, index: bytes) -> None:
    """Fill the tables ``roots``, ``files`` and ``problems`` from ``paths`` and ``failures``.

    Files are looked for where they were, and around ``index`` in case they moved with it.
    """
    index = os.path.abspath(index)
    rows = connection.execute("SELECT raw, size FROM paths ORDER BY raw").fetchall()
    groups = list(_folders([_File(bytes(raw), size) for raw, size in rows], index))
    places = [_place(folder, files, index) for folder, files in groups]
    roots = {folder: id_ for id_, folder in enumerate(highest(places), 1)}
    for folder, id_ in roots.items():
        connection.execute(
            "INSERT INTO roots VALUES (?, ?, ?)", [id_, folder, relative_to(index, folder)]
        )
    connection.execute(
        "CREATE OR REPLACE TEMP TABLE rooted (raw BLOB, root INTEGER, rel BLOB, name VARCHAR)"
    )
    for (folder, files), place in zip(groups, places, strict=True):
        root = next(root for root in roots if is_below(place, [root]))
        raws = [file.raw for file in files]
        now = [prefix_of(place) + raw[len(prefix_of(folder)) :] for raw in raws]
        _note(connection, raws, roots[root], [raw[len(prefix_of(root)) :] for raw in now])
    connection.execute(
        """
        INSERT INTO files
          SELECT root, rel, name, size, mtime_ns, sha256, state, missing, NULL, NULL
          FROM paths JOIN rooted USING (raw) ON CONFLICT DO NOTHING;
        INSERT INTO problems
          SELECT root, rel, sha256, reason, message, failed_at
          FROM failures JOIN rooted USING (raw) ON CONFLICT DO NOTHING;
        DROP TABLE rooted
        """
    )


def _note(
    connection: DuckDBPyConnection, raws: Sequence[bytes], root: int, rels: Sequence[bytes]
) -> None:
    connection.execute(
        "INSERT INTO rooted SELECT unnest($raw::BLOB[]), $root, unnest($rel::BLOB[]), "
        "unnest($name::VARCHAR[])",
        {"raw": raws, "root": root, "rel": rels, "name": [as_text(rel) for rel in rels]},
    )


def common_folders(raws: Iterable[bytes], index: bytes) -> list[bytes]:
    """Return the folders that hold all of some paths: one for each place they seem to be from."""
    return [folder for folder, _ in _folders([_File(raw, 0) for raw in raws], index)]


def _folders(files: Sequence[_File], index: bytes) -> Iterator[tuple[bytes, list[_File]]]:
    groups: dict[bytes, list[_File]] = {}
    for file in files:
        groups.setdefault(_place_it_is_from(file.raw, index), []).append(file)
    for group in groups.values():
        for part in _apart(_common(group), group):
            yield _common(part), part


def _place_it_is_from(raw: bytes, index: bytes) -> bytes:
    beside = os.path.dirname(index)
    if beside != b"/" and is_below(raw, [beside]):
        return beside
    return b"/".join(os.path.dirname(raw).split(b"/")[: _DEPTH + 1])


def _common(files: Sequence[_File]) -> bytes:
    return os.path.commonpath([os.path.dirname(file.raw) for file in files])


def _apart(folder: bytes, files: Sequence[_File]) -> list[list[_File]]:
    """Part what is still there from what is not: the two may not have moved together."""
    children: dict[bytes, list[_File]] = {}
    for file in files:
        children.setdefault(file.raw[len(prefix_of(folder)) :].split(b"/")[0], []).append(file)
    there: list[_File] = []
    gone: list[_File] = []
    for child in children.values():
        here = any(os.path.lexists(file.raw) for file in _spread(child))
        (there if here else gone).extend(child)
    return [part for part in (there, gone) if part]


def _place(folder: bytes, files: Sequence[_File], index: bytes) -> bytes:
    """Return where the files of ``folder`` are: there, or around the index."""
    probes = _spread(files)
    there = any(os.path.lexists(file.raw) for file in probes)
    need = len(probes) if there else len(probes) // 2 + 1
    for candidate in _candidates(folder, index, nearest_only=there):
        if sum(_fits(file, folder, candidate) for file in probes) >= need:
            return candidate
    return folder


def _candidates(folder: bytes, index: bytes, *, nearest_only: bool) -> Iterator[bytes]:
    """Yield folders around the index that may be ``folder``: above it, and by its last names.

    Where the old folder is still there, it takes the folder beside or around the index to outdo
    it: a copy of the whole case.
    """
    names = [name for name in folder.split(b"/") if name]
    around = os.path.dirname(os.path.abspath(index))
    beside = True
    while True:
        for count in range(len(names) + 1 if beside or not nearest_only else 1):
            yield os.path.join(around, *names[len(names) - count :])
        if around == b"/":
            return
        around, beside = os.path.dirname(around), False


def _fits(file: _File, folder: bytes, candidate: bytes) -> bool:
    path = os.path.join(candidate, file.raw[len(prefix_of(folder)) :])
    try:
        status = os.stat(path)
    except OSError:
        return False
    return status.st_size == file.size or stat.S_ISDIR(status.st_mode)  # a folder of frames


def _spread(files: Sequence[_File]) -> list[_File]:
    """Return at most `PROBES` files from all over the sorted list."""
    step = max(1, len(files) / PROBES)
    return [files[int(place * step)] for place in range(min(PROBES, len(files)))]
