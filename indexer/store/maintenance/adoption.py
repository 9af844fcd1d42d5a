"""Bring whole segments that the catalog does not know back into it, and nothing that was removed.

A segment is adopted with all its rows or not at all, since its rows are counted; those that must
not come back get a tombstone at once.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping, Sequence

from indexer.corpus import FoundFile, as_text
from indexer.errors import IndexDamagedError
from indexer.store.catalog.catalog import Catalog, SegmentRecord
from indexer.store.catalog.changes import Changes, LinkedFile, WritableCatalog
from indexer.store.catalog.root_finding import common_folders
from indexer.store.folder import IndexFolder
from indexer.store.vectors.segments import Segment, SegmentRow, segment_bytes

Buried = Callable[[SegmentRow], bool]


def adopt(
    folder: IndexFolder, space: str, number: int, catalog: WritableCatalog, buried: Buried
) -> int:
    """Adopt a segment but for its ``buried`` rows; return how many rows live.

    Raise IndexDamagedError where it is damaged, or holds what the catalog has elsewhere by now.
    """
    base = folder.space(space).segments
    if space not in {row.fingerprint for row in catalog.spaces()}:
        raise IndexDamagedError(f"the catalog does not know the space {space}")
    segment = Segment(base, number)
    segment.verify()
    rows = segment.rows()
    _check_new(rows, space, catalog, number)
    files = _files_of(rows, buried, folder, catalog)
    live = catalog.live([row.id for row in rows])
    dead = [row.id for row in rows if row.sha256 not in files and row.id not in live]
    if len(dead) == len(rows):
        raise IndexDamagedError(f"nothing in the segment {number} is still part of the index")
    info = segment.info()
    record = SegmentRecord(
        id=number,
        space=space,
        rows=len(rows),
        bytes=segment_bytes(base, number),
        device=info.device,
        precision=info.precision,
    )
    linked = [LinkedFile(file=file, sha256=sha256) for sha256, file in files.items()]
    catalog.add_roots(common_folders([one.file.raw for one in linked], os.fsencode(folder.path)))
    catalog.apply(Changes(segment=record, rows=rows, files=linked, dead=dead))
    raise_counter(catalog, "next_id", max(row.id for row in rows) + 1)
    raise_counter(catalog, "next_segment", number + 1)
    return len(rows) - len(dead)


def raise_counter(catalog: WritableCatalog, key: str, least: int) -> None:
    """Make a counter of the catalog at least ``least``."""
    if catalog.number(key) < least:
        catalog.query("UPDATE meta SET value = ? WHERE key = ?", [json.dumps(least), key])


def as_indexed(row: SegmentRow, folder: IndexFolder) -> bool | None:
    """Tell whether a row's file has the size and time it had, None where it is not there."""
    file = _file_of(row, folder)
    try:
        status = os.stat(file.raw)
    except OSError:
        return None
    return (status.st_size, status.st_mtime_ns) == (file.size, file.mtime_ns)


def _check_new(rows: Sequence[SegmentRow], space: str, catalog: Catalog, number: int) -> None:
    """Raise IndexDamagedError where an id belongs to other content, or content was read again."""
    taken = catalog.query(
        """
        SELECT count(*) FROM samples s
        JOIN (SELECT unnest($ids::BIGINT[]) AS id, unnest($contents::VARCHAR[]) AS sha256) r
          ON (r.id = s.id AND r.sha256 <> s.sha256)
          OR (r.sha256 = s.sha256
              AND s.id IN (SELECT sample_id FROM embeddings WHERE space = $space))
        """,
        {
            "ids": [row.id for row in rows],
            "contents": [row.sha256 for row in rows],
            "space": space,
        },
    )[0][0]
    if taken:
        raise IndexDamagedError(f"what the segment {number} holds is in the index already")


def _files_of(
    rows: Sequence[SegmentRow], buried: Buried, folder: IndexFolder, catalog: Catalog
) -> dict[str, FoundFile]:
    """Return the file of each content that lives: of those at one path, the newest one's."""
    newest: dict[bytes, tuple[int, str, FoundFile]] = {}
    for row in rows:
        if not buried(row):
            file = _file_of(row, folder)
            if row.id > newest.get(file.raw, (0, "", file))[0]:
                newest[file.raw] = (row.id, row.sha256, file)
    held = _newest_at(list(newest), catalog)
    return {sha256: file for raw, (id_, sha256, file) in newest.items() if held.get(raw, 0) <= id_}


def _newest_at(raws: Sequence[bytes], catalog: Catalog) -> Mapping[bytes, int]:
    """Return the newest sample of what each path holds, as far as the catalog knows it."""
    rows = catalog.query(
        "SELECT p.raw, max(s.id) FROM paths p JOIN samples s USING (sha256) "
        "WHERE p.raw IN (SELECT unnest($raws::BLOB[])) GROUP BY p.raw",
        {"raws": raws},
    )
    return {bytes(raw): id_ for raw, id_ in rows}


def _file_of(row: SegmentRow, folder: IndexFolder) -> FoundFile:
    raw = bytes.fromhex(row.raw_path)
    if row.relative_path is not None:
        index = os.path.abspath(os.fsencode(folder.path))
        beside = os.path.join(index, bytes.fromhex(row.relative_path))
        raw = os.path.normpath(beside) if os.path.lexists(beside) else raw
    return FoundFile(raw=raw, path=as_text(raw), size=row.size, mtime_ns=row.mtime_ns)
