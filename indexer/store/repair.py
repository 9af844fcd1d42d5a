"""Mend an index from what is still whole."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from indexer.corpus import FoundFile, as_text
from indexer.errors import StoreError
from indexer.store.ann_cache import AnnCache
from indexer.store.catalog import Catalog, SegmentRecord
from indexer.store.changes import Changes, LinkedFile, WritableCatalog
from indexer.store.database import attach, publish
from indexer.store.durable import read_sealed_json, replace_file, write_sealed_json
from indexer.store.examination import Examination, Finding, examine, open_whole, segment_problem
from indexer.store.layout import IndexFolder
from indexer.store.lock import WriterLock
from indexer.store.opening import upgraded
from indexer.store.patch_codec import PatchCodec
from indexer.store.quarantine import quarantine
from indexer.store.rooting import common_folders
from indexer.store.segments import Segment, SegmentRow, segment_bytes
from indexer.types import EncoderSpec


def repair(path: Path) -> Examination:
    """Mend an index: restore its catalog, drop what is damaged, adopt what was lost.

    Damaged files go to quarantine; nothing is deleted but caches. What cannot be restored is
    said in the findings, and is embedded again by the next `dfindex build`.
    """
    folder = IndexFolder(path)
    if not folder.exists():
        raise StoreError(f"there is no index at {path} to repair")
    with WriterLock(path):
        result = examine(path)
        catalog = _restore_catalog(folder, result)
        try:
            for fingerprint in _space_folders(folder):
                _repair_space(folder, fingerprint, catalog, result)
            _forget_files_without_embedding(catalog, result)
            publish(catalog.connection, folder.published)
        finally:
            catalog.close()
    return result


def _restore_catalog(folder: IndexFolder, result: Examination) -> WritableCatalog:
    """Open the newest catalog that is whole; start an empty one where none is."""
    whole = {
        file: opened.generation
        for file in (folder.catalog, folder.published)
        if (opened := _opened_and_closed(file)) is not None
    }
    best = max(whole, key=lambda file: whole[file], default=None)
    if best != folder.catalog:
        for file in (folder.catalog, folder.catalog.with_name(folder.catalog.name + ".wal")):
            if file.exists():
                result.actions.append(f"moved {file} to {quarantine(folder, file)}")
        if best is not None:
            whole_bytes = best.read_bytes()
            replace_file(folder.catalog, lambda file: file.write(whole_bytes))
            result.actions.append(f"restored the catalog from {best}")
        else:
            result.actions.append("started a new catalog; labels and decisions are lost")
    if best != folder.published and folder.published.exists():
        folder.published.unlink()
    connection = attach(folder.catalog, read_only=False)
    return upgraded(connection, folder.catalog)


@dataclass(frozen=True)
class _Whole:
    generation: int


def _opened_and_closed(file: Path) -> _Whole | None:
    catalog = open_whole(file, Examination())
    if catalog is None:
        return None
    try:
        return _Whole(catalog.generation)
    finally:
        catalog.close()


def _space_folders(folder: IndexFolder) -> list[str]:
    return sorted(path.name for path in folder.spaces.glob("*") if path.is_dir())


def _repair_space(
    folder: IndexFolder, fingerprint: str, catalog: WritableCatalog, result: Examination
) -> None:
    space = folder.space(fingerprint)
    AnnCache(space.ann).drop()
    rows = {row.fingerprint: row for row in catalog.spaces()}
    if fingerprint in rows:
        write_sealed_json(space.spec, {"encoder": rows[fingerprint].encoder.to_json()})
        codec = catalog.patch_codec(fingerprint)
        replace_file(space.codec, lambda file: file.write(codec))
    elif not _adopt_space(space.spec, space.codec, catalog, result):
        return
    for record in catalog.segments(fingerprint):
        if segment_problem(space.segments, record.id):
            _drop_segment(folder, record, catalog, result)
    known = {record.id for record in catalog.segments(fingerprint)}
    for path in sorted(space.segments.glob("*.ids")):
        if path.stem.isdigit() and int(path.stem) not in known:
            _adopt_segment(folder, fingerprint, int(path.stem), catalog, result)


def _adopt_space(spec: Path, codec: Path, catalog: WritableCatalog, result: Examination) -> bool:
    try:
        encoder = EncoderSpec.from_json(read_sealed_json(spec)["encoder"])
        PatchCodec.from_bytes(codec.read_bytes())
    except (StoreError, OSError, KeyError, ValueError, TypeError) as error:
        result.findings.append(Finding(str(spec.parent), str(error), "the whole space"))
        return False
    catalog.add_space(encoder, codec.read_bytes(), loaded_from=encoder.name)
    result.actions.append(f"adopted the space {encoder.space} from {spec}")
    return True


def _drop_segment(
    folder: IndexFolder, record: SegmentRecord, catalog: WritableCatalog, result: Examination
) -> None:
    base = folder.space(record.space).segments
    with catalog.transaction():
        catalog.query("DELETE FROM embeddings WHERE segment = ?", [record.id])
        catalog.query("DELETE FROM segments WHERE id = ?", [record.id])
    for path in sorted(base.glob(f"{record.id:012d}.*")):
        quarantine(folder, path)
    result.actions.append(f"dropped the damaged segment {record.id} of {record.rows} embeddings")


def _adopt_segment(
    folder: IndexFolder,
    fingerprint: str,
    segment: int,
    catalog: WritableCatalog,
    result: Examination,
) -> None:
    """Bring a whole segment that the catalog does not know back into it."""
    base = folder.space(fingerprint).segments
    if segment_problem(base, segment):
        return
    reader = Segment(base, segment)
    rows = _renumbered(reader.rows(), catalog)
    if not rows:
        return
    known = {
        sha
        for (sha,) in catalog.query(
            "SELECT s.sha256 FROM samples s JOIN embeddings e ON e.sample_id = s.id "
            "WHERE e.space = ?",
            [fingerprint],
        )
    }
    if any(row.sha256 in known for row in rows):
        return  # embedded again since: the quarantine is its place
    info = reader.info()
    record = SegmentRecord(
        id=segment,
        space=fingerprint,
        rows=len(rows),
        bytes=segment_bytes(base, segment),
        device=info.device,
        precision=info.precision,
    )
    files = [_file_of(row, os.fsencode(folder.path)) for row in rows]
    catalog.add_roots(common_folders([one.file.raw for one in files], os.fsencode(folder.path)))
    catalog.apply(Changes(segment=record, rows=rows, files=files))
    _raise_counter(catalog, "next_id", max(row.id for row in rows) + 1)
    _raise_counter(catalog, "next_segment", segment + 1)
    result.actions.append(f"adopted the segment {segment} of {len(rows)} embeddings")


def _renumbered(rows: Sequence[SegmentRow], catalog: Catalog) -> list[SegmentRow]:
    """Return ``rows``, or nothing where one of their ids belongs to another content by now."""
    taken = dict(
        catalog.query(
            "SELECT id, sha256 FROM samples WHERE id IN (SELECT unnest($ids::BIGINT[]))",
            {"ids": [row.id for row in rows]},
        )
    )
    return [] if any(taken.get(row.id, row.sha256) != row.sha256 for row in rows) else list(rows)


def _file_of(row: SegmentRow, index: bytes) -> LinkedFile:
    raw = bytes.fromhex(row.raw_path)
    if row.relative_path is not None:
        beside = os.path.join(os.path.abspath(index), bytes.fromhex(row.relative_path))
        raw = os.path.normpath(beside) if os.path.lexists(beside) else raw
    file = FoundFile(raw=raw, path=as_text(raw), size=row.size, mtime_ns=row.mtime_ns)
    return LinkedFile(file=file, sha256=row.sha256)


def _raise_counter(catalog: WritableCatalog, key: str, least: int) -> None:
    if catalog.number(key) < least:
        catalog.query("UPDATE meta SET value = ? WHERE key = ?", [json.dumps(least), key])


def _forget_files_without_embedding(catalog: WritableCatalog, result: Examination) -> None:
    """Forget files whose embeddings are lost, so that the next build sees them as new."""
    lost = "SELECT id FROM samples WHERE id NOT IN (SELECT sample_id FROM embeddings)"
    with catalog.transaction():
        files = catalog.query(
            "SELECT raw FROM paths WHERE sha256 IN "
            f"(SELECT sha256 FROM samples WHERE id IN ({lost}))"
        )
        catalog.files.forget([bytes(raw) for (raw,) in files])
        catalog.query(f"DELETE FROM samples WHERE id IN ({lost})")
        catalog.query("DELETE FROM tombstones WHERE sample_id NOT IN (SELECT id FROM samples)")
    if files:
        result.actions.append(
            f"forgot {len(files)} files whose embeddings are lost; dfindex build embeds them again"
        )
