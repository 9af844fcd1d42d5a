"""Give back the space of deleted samples, and join small segments."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass

import numpy as np

from indexer.store.ann_cache import AnnCache
from indexer.store.catalog import SegmentRecord
from indexer.store.segments import (
    Segment,
    SegmentInfo,
    SegmentRow,
    remove_segment,
    segment_bytes,
    write_segment,
)
from indexer.store.writer import IndexWriter
from indexer.types import Float32, UInt8

FULL_ROWS = 4096  # a segment of this size without deleted rows is left as it is


@dataclass(frozen=True, kw_only=True)
class Compaction:
    """What a compaction did."""

    segments_before: int
    segments_after: int
    rows_dropped: int
    bytes_before: int
    bytes_after: int


def compact(writer: IndexWriter) -> Compaction:
    """Rewrite segments that are small or hold deleted rows; swap them in at once.

    Each space is one transaction: a kill leaves either the old segments or the new ones.
    """
    before = writer.catalog.segments()
    dropped = 0
    for row in writer.catalog.spaces():
        dropped += _compact_space(writer, row.fingerprint)
        writer.refresh_ann(row.fingerprint)
    after = writer.catalog.segments()
    return Compaction(
        segments_before=len(before),
        segments_after=len(after),
        rows_dropped=dropped,
        bytes_before=sum(record.bytes for record in before),
        bytes_after=sum(record.bytes for record in after),
    )


def _compact_space(writer: IndexWriter, space: str) -> int:
    folder = writer.folder.space(space)
    dead = set(writer.catalog.tombstones().tolist())
    old = [one for one in writer.catalog.segments(space) if _worth_it(writer, one, dead)]
    if not _has_dead(writer, old, dead) and len(old) < 2:
        return 0
    new = [_write(writer, old[0], *batch) for batch in _batches(writer, old, dead)]
    writer.catalog.swap_segments([one.id for one in old], new)
    AnnCache(folder.ann).drop()
    writer.publish()
    for one in old:
        remove_segment(folder.segments, one.id)
    return sum(one.rows for one in old) - sum(record.rows for record, _ in new)


def _worth_it(writer: IndexWriter, record: SegmentRecord, dead: set[int]) -> bool:
    return record.rows < FULL_ROWS or _has_dead(writer, [record], dead)


def _has_dead(writer: IndexWriter, records: Sequence[SegmentRecord], dead: set[int]) -> bool:
    if not dead:
        return False
    held = writer.catalog.columns(
        "SELECT sample_id FROM embeddings WHERE segment IN (SELECT unnest($ids::BIGINT[]))",
        {"ids": [record.id for record in records]},
    )[0]
    return not dead.isdisjoint(held.tolist())


def _batches(
    writer: IndexWriter, records: Sequence[SegmentRecord], dead: set[int]
) -> Iterator[tuple[list[SegmentRow], Float32, UInt8, Float32 | None]]:
    """Yield the live rows of some segments in batches of at most `FULL_ROWS`.

    Rows with and without what a head read never share a batch.
    """
    rows: list[SegmentRow] = []
    vectors: list[Float32] = []
    patches: list[UInt8] = []
    heads: list[Float32] = []
    for record in records:
        segment = Segment(writer.folder.space(record.space).segments, record.id)
        kept = [place for place, row in enumerate(segment.rows()) if row.id not in dead]
        head = segment.head_rows()
        full = len(rows) + len(kept) > FULL_ROWS or bool(heads) != (head is not None)
        if rows and kept and full:
            yield _joined(rows, vectors, patches, heads)
            rows, vectors, patches, heads = [], [], [], []
        if kept:
            rows += [segment.rows()[place] for place in kept]
            vectors.append(segment.vectors()[kept])
            patches.append(segment.patch_rows(kept))
            heads += [] if head is None else [head[kept]]
    if rows:
        yield _joined(rows, vectors, patches, heads)


def _joined(
    rows: list[SegmentRow],
    vectors: Sequence[Float32],
    patches: Sequence[UInt8],
    heads: Sequence[Float32],
) -> tuple[list[SegmentRow], Float32, UInt8, Float32 | None]:
    head = np.concatenate(heads) if heads else None
    return rows, np.concatenate(vectors), np.concatenate(patches), head


def _write(
    writer: IndexWriter,
    like: SegmentRecord,
    rows: Sequence[SegmentRow],
    vectors: Float32,
    patches: UInt8,
    head: Float32 | None,
) -> tuple[SegmentRecord, list[int]]:
    info = SegmentInfo(
        id=writer.catalog.advance("next_segment", 1),
        space=like.space,
        device=like.device,
        precision=like.precision,
    )
    folder = writer.folder.space(like.space).segments
    write_segment(folder, info, rows, vectors, patches, head)
    size = segment_bytes(folder, info.id)
    record = SegmentRecord(**asdict(info), rows=len(rows), bytes=size)
    return record, [row.id for row in rows]
