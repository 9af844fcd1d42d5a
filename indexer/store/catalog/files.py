"""The catalog's files: each a path below a root, kept as bytes, for names need not be UTF-8."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from indexer.corpus import FoundFile, as_text, highest, is_below, prefix_of
from indexer.errors import MediaError
from indexer.store.catalog.catalog import Catalog
from indexer.store.catalog.roots import Place, nested, relative_to, show_paths

_HERE = "(root, rel) IN (SELECT unnest($root::INTEGER[]), unnest($rel::BLOB[]))"
_COLUMNS = "size, mtime_ns, sha256, state, missing, device, inode"


@dataclass(frozen=True, kw_only=True)
class FailedFile:
    """A file that could not be indexed."""

    file: FoundFile
    sha256: str | None
    problem: MediaError


class FileTable:
    """Changes the files of a catalog, which are named by their paths as they are now."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog

    def rootless(self, folders: Iterable[bytes]) -> list[bytes]:
        """Return those of some folders that lie in no root, the highest ones."""
        known = [prefix.rstrip(b"/") or b"/" for prefix in self._roots()]
        return [folder for folder in highest(folders) if not is_below(folder, known)]

    def add_roots(self, folders: Iterable[bytes]) -> None:
        """Keep the paths below some folders relative to them, unless they lie in a root already."""
        index = os.fsencode(self._catalog.index)
        for folder in self.rootless(folders):
            self._catalog.query(
                "INSERT INTO roots SELECT coalesce(max(id), 0) + 1, ?, ? FROM roots",
                [folder, relative_to(index, folder)],
            )
        self._show()

    def note_places(self, places: Sequence[Place]) -> None:
        """Remember where roots are now."""
        index = os.fsencode(self._catalog.index)
        for place in places:
            self._catalog.query(
                "UPDATE roots SET absolute = ?, relative = ? WHERE id = ?",
                [place.location, relative_to(index, place.location), place.root.id],
            )
        self._settle()

    def contents(self, raws: Sequence[bytes]) -> list[str]:
        """Return the SHA-256 of what some files held when they were indexed."""
        rows = self._catalog.query(
            f"SELECT DISTINCT sha256 FROM files WHERE sha256 IS NOT NULL AND {_HERE}",
            self._keys(raws),
        )
        return [row[0] for row in rows]

    def put(self, files: Sequence[tuple[FoundFile, str]]) -> None:
        """Note files with the SHA-256 of each, over what was known of them."""
        self._put([file for file, _ in files], [sha256 for _, sha256 in files], "indexed")
        self._catalog.query(
            f"DELETE FROM problems WHERE {_HERE}", self._keys([file.raw for file, _ in files])
        )

    def put_failed(self, failed: Sequence[FailedFile]) -> None:
        """Note files that could not be indexed, and why."""
        self._put([one.file for one in failed], [None for _ in failed], "failed")
        self._catalog.query(
            "INSERT OR REPLACE INTO problems SELECT unnest($root::INTEGER[]), "
            "unnest($rel::BLOB[]), unnest($sha::VARCHAR[]), unnest($reason::VARCHAR[]), "
            "unnest($message::VARCHAR[]), now()::TIMESTAMP",
            {
                **self._keys([one.file.raw for one in failed]),
                "sha": [one.sha256 for one in failed],
                "reason": [one.problem.reason.value for one in failed],
                "message": [one.problem.message for one in failed],
            },
        )

    def remove(self, raws: Sequence[bytes]) -> int:
        """Forget files, and remember that they were removed; return how many there were."""
        keys = self._keys(raws)
        removed = self._catalog.query(
            f"INSERT INTO removals SELECT path, sha256, now()::TIMESTAMP FROM paths WHERE {_HERE}",
            keys,
        )[0][0]
        self.forget(raws)
        return int(removed)

    def forget(self, raws: Sequence[bytes]) -> None:
        """Forget files without a trace: they are new when they are met again."""
        keys = self._keys(raws)
        for table in ("files", "problems"):
            self._catalog.query(f"DELETE FROM {table} WHERE {_HERE}", keys)

    def mark_missing(self, raws: Sequence[bytes]) -> None:
        """Remember that files were not there when the scan in the catalog looked for them.

        Where others on their device were there, the file is gone for itself; its device is
        forgotten, since it may get another number by the next time.
        """
        self._catalog.query(
            "UPDATE files SET missing = true, device = CASE WHEN (root, device) IN "
            "(SELECT (p.root, p.device) FROM paths p JOIN scan s ON s.raw = p.raw) "
            f"THEN NULL ELSE device END WHERE NOT missing AND {_HERE}",
            self._keys(raws),
        )

    def move(self, old: bytes, new: bytes) -> int:
        """Take all that lies at or below ``old`` to be at ``new``; return how many files.

        What was known of a file at its new path gives way.
        """
        moving = [
            (root, bytes(rel), new + bytes(raw)[len(old) :])
            for root, rel, raw in self._catalog.query("SELECT root, rel, raw FROM paths")
            if is_below(bytes(raw), [old])
        ]
        self.add_roots([new if any(raw != new for *_, raw in moving) else os.path.dirname(new)])
        self._rename(moving)
        return len(moving)

    def _settle(self) -> None:
        """Bring every file below the root nearest to it, where roots came to lie in each other."""
        if nested(list(self._roots())):
            self._catalog.query(
                "DELETE FROM files WHERE (root, rel) NOT IN (SELECT (root, rel) FROM paths)"
            )
            rows = self._catalog.query("SELECT root, rel, raw FROM paths")
            self._rename([(root, bytes(rel), bytes(raw)) for root, rel, raw in rows])

    def _rename(self, rows: Sequence[tuple[int, bytes, bytes]]) -> None:
        """Give rows (root, rel) new paths; roots that hold nothing any more are forgotten."""
        query = self._catalog.query
        query(
            "CREATE OR REPLACE TEMP TABLE moved AS "
            "SELECT unnest($old_root::INTEGER[]) AS old_root, "
            "unnest($old_rel::BLOB[]) AS old_rel, unnest($root::INTEGER[]) AS root, "
            "unnest($rel::BLOB[]) AS rel, unnest($name::VARCHAR[]) AS name",
            {
                "old_root": [root for root, _, _ in rows],
                "old_rel": [rel for _, rel, _ in rows],
                **(keys := self._keys([raw for *_, raw in rows])),
                "name": [as_text(rel) for rel in keys["rel"]],
            },
        )
        for table, rest in (
            ("files", _COLUMNS),
            ("problems", "sha256, reason, message, failed_at"),
        ):
            named = "m.root, m.rel, m.name" if table == "files" else "m.root, m.rel"
            query(
                f"CREATE OR REPLACE TEMP TABLE kept AS SELECT {named}, {rest} FROM {table} t "
                "JOIN moved m ON t.root = m.old_root AND t.rel = m.old_rel"
            )
            for root, rel in (("old_root", "old_rel"), ("root", "rel")):
                query(f"DELETE FROM {table} WHERE (root, rel) IN (SELECT {root}, {rel} FROM moved)")
            query(f"INSERT INTO {table} SELECT * FROM kept ON CONFLICT DO NOTHING")
        query("DROP TABLE kept; DROP TABLE moved")
        query("DELETE FROM roots WHERE id NOT IN (SELECT root FROM files)")
        self._show()

    def _put(self, files: Sequence[FoundFile], contents: Sequence[str | None], state: str) -> None:
        roots = self._roots()
        self.add_roots(
            os.path.dirname(one.raw) for one in files if _nearest(roots, one.raw) is None
        )
        keys = self._keys([one.raw for one in files])
        self._catalog.query(
            "INSERT OR REPLACE INTO files SELECT unnest($root::INTEGER[]), unnest($rel::BLOB[]), "
            "unnest($name::VARCHAR[]), unnest($size::BIGINT[]), unnest($mtime::BIGINT[]), "
            "unnest($sha::VARCHAR[]), $state, false, unnest($device::UBIGINT[]), "
            "unnest($inode::UBIGINT[])",
            {
                **keys,
                "name": [as_text(rel) for rel in keys["rel"]],
                "size": [one.size for one in files],
                "mtime": [one.mtime_ns for one in files],
                "sha": list(contents),
                "state": state,
                "device": [one.device for one in files],
                "inode": [one.inode for one in files],
            },
        )

    def _show(self) -> None:
        """Let the catalog tell paths by the roots it has now, each where it was found."""
        places = {root: prefix for prefix, root in self._roots().items()}
        roots = self._catalog.query("SELECT id, absolute FROM roots ORDER BY id")
        show_paths(self._catalog, [(id_, places.get(id_, bytes(path))) for id_, path in roots])

    def _keys(self, raws: Sequence[bytes]) -> dict[str, list[Any]]:
        """Return root and path below it of each file that lies in a root."""
        roots = self._roots()
        found = [(near, raw) for raw in raws if (near := _nearest(roots, raw)) is not None]
        return {
            "root": [root for (root, _), _ in found],
            "rel": [raw[len(prefix) :] for (_, prefix), raw in found],
        }

    def _roots(self) -> dict[bytes, int]:
        """Return the roots by what all paths below them begin with; the oldest of equal ones."""
        rows = self._catalog.query("SELECT prefix, root FROM places ORDER BY root DESC")
        return {bytes(prefix): root for prefix, root in rows}


def _nearest(roots: Mapping[bytes, int], raw: bytes) -> tuple[int, bytes] | None:
    """Return the root that a path lies below, and what it begins with there."""
    folder = os.path.dirname(raw)
    while (prefix := prefix_of(folder)) not in roots:
        if folder in (b"/", b""):
            return None
        folder = os.path.dirname(folder)
    return roots[prefix], prefix
