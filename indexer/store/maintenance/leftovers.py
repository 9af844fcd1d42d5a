"""What writers leave behind: dropped segments, files of no commit, half-written files."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from indexer.store.catalog.changes import WritableCatalog
from indexer.store.durable import TEMPORARY_SUFFIX, sweep_temporaries, sync_folder
from indexer.store.folder import IndexFolder
from indexer.store.maintenance.quarantine import quarantine, sort_in
from indexer.store.readers import read_before
from indexer.store.vectors.segments import ALL_SUFFIXES, segment_path


def clean_up(folder: IndexFolder, catalog: WritableCatalog) -> None:
    """Put an index in order once its newest generation is published.

    What a compaction dropped is deleted, and what nobody writes any more; segments of no commit,
    left by a kill, are moved to quarantine.
    """
    delete_dropped(folder, catalog)
    _quarantine_unknown(folder, catalog)
    for place in (folder.spaces, folder.published.parent, folder.probes):
        sweep_temporaries(place)
    sort_in(folder)


def delete_dropped(folder: IndexFolder, catalog: WritableCatalog) -> None:
    """Delete the files of segments that commits dropped, unless an open reader may want them."""
    dropped = catalog.dropped()
    if not dropped:
        return
    free = {id_ for id_, at in dropped.items() if not read_before(folder, at)}
    for space in sorted(folder.spaces.glob("*/segments")):
        for id_ in sorted(free):
            for suffix in ALL_SUFFIXES:
                segment_path(space, id_).with_suffix(suffix).unlink(missing_ok=True)
        sync_folder(space)
    catalog.note_dropped({id_: at for id_, at in dropped.items() if id_ not in free})


def _quarantine_unknown(folder: IndexFolder, catalog: WritableCatalog) -> None:
    by_segment: dict[Path, list[Path]] = {}
    for path in _unknown(folder, catalog):
        by_segment.setdefault(path.with_suffix(""), []).append(path)
    for files in by_segment.values():
        quarantine(folder, files)


def _unknown(folder: IndexFolder, catalog: WritableCatalog) -> Iterator[Path]:
    known = {(record.space, record.id) for record in catalog.segments()}
    dropped = catalog.dropped()
    for path in sorted(folder.spaces.glob("*/segments/*")):
        id_ = int(path.stem) if path.stem.isdecimal() else None
        ours = path.suffix in ALL_SUFFIXES
        if ours and ((path.parent.parent.name, id_) in known or id_ in dropped):
            continue
        if path.suffix != TEMPORARY_SUFFIX:
            yield path
