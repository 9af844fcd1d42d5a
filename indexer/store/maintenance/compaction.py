"""Give back the space of deleted samples, and join small segments."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import TypeVar

import numpy as np

from indexer.store.catalog.catalog import SegmentRecord
from indexer.store.maintenance.leftovers import delete_dropped
from indexer.store.vectors.ann_cache import AnnCache
from indexer.store.vectors.segments import (
    Segment,
    SegmentInfo,
    SegmentRow,
    segment_bytes,
    write_segment,
)
from indexer.store.vectors.space import open_segment
from indexer.store.writer import IndexWriter
from indexer.types import Float16, Float32, UInt8

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
        writer.refresh_keypoints(row.fingerprint, thorough=True)
    after = writer.catalog.segments()
    return Compaction(
        segments_before=len(before),
        segments_after=len(after),
        rows_dropped=dropped,
        bytes_before=sum(record.bytes for record in before),
        bytes_after=sum(record.bytes for record in after),
    )


def _compact_space(writer: IndexWriter, space: str) -> int:
    dead = set(writer.catalog.tombstones().tolist())
    old = [one for one in writer.catalog.segments(space) if _worth_it(writer, one, dead)]
    if not _has_dead(writer, old, dead) and len(old) < 2:
        return 0
    AnnCache(writer.folder.space(space).ann).drop()
    return rewrite(writer, old)


def rewrite(writer: IndexWriter, old: Sequence[SegmentRecord]) -> int:
    """Put the live rows of some segments of a space into few; return how many rows were dropped.

    One transaction: a kill leaves either the old segments or the new ones.
    """
    dead = set(writer.catalog.tombstones().tolist())
    new = [_write(writer, batch) for batch in _batches(writer, old, dead)]
    writer.catalog.swap_segments([one.id for one in old], new)
    writer.publish()
    delete_dropped(writer.folder, writer.catalog)
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


@dataclass(frozen=True)
class _Kept:
    """What is kept of a segment, in step; the last two are None where it never had them."""

    made_as: SegmentRecord
    rows: list[SegmentRow]
    vectors: Float16
    patches: UInt8
    keypoints: UInt8 | None
    heads: Float32 | None

    @classmethod
    def of(cls, record: SegmentRecord, segment: Segment, dead: set[int]) -> _Kept:
        rows = segment.rows()
        places = [place for place, row in enumerate(rows) if row.id not in dead]
        heads = segment.head_rows()
        return cls(
            made_as=record,
            rows=[rows[place] for place in places],
            vectors=segment.halves()[places],
            patches=segment.patch_rows(places),
            keypoints=segment.keypoint_rows(places),
            heads=None if heads is None else heads[places],
        )

    @property
    def sort(self) -> tuple[str, str, bool, bool]:
        """What all rows of a segment have in common: where they were made, and their parts."""
        made_as = self.made_as
        return made_as.device, made_as.precision, self.keypoints is None, self.heads is None

    def joined(self, other: _Kept) -> _Kept:
        """Return the rows of both, which are of one sort."""
        return _Kept(
            made_as=self.made_as,
            rows=self.rows + other.rows,
            vectors=np.concatenate([self.vectors, other.vectors]),
            patches=np.concatenate([self.patches, other.patches]),
            keypoints=_both(self.keypoints, other.keypoints),
            heads=_both(self.heads, other.heads),
        )


Array = TypeVar("Array", Float32, UInt8)


def _both(first: Array | None, second: Array | None) -> Array | None:
    if first is None or second is None:
        return None
    return np.concatenate([first, second])


def _batches(
    writer: IndexWriter, records: Sequence[SegmentRecord], dead: set[int]
) -> Iterator[_Kept]:
    """Yield the live rows of some segments in batches of one sort and at most `FULL_ROWS`."""
    open_: dict[object, _Kept] = {}
    for record in records:
        segment = open_segment(writer.catalog, writer.folder.space(record.space), record.id)
        kept = _Kept.of(record, segment, dead)
        if not kept.rows:
            continue
        batch = open_.pop(kept.sort, None)
        if batch is not None and len(batch.rows) + len(kept.rows) > FULL_ROWS:
            yield batch
            batch = None
        open_[kept.sort] = kept if batch is None else batch.joined(kept)
    yield from open_.values()


def _write(writer: IndexWriter, batch: _Kept) -> tuple[SegmentRecord, list[int]]:
    like = batch.made_as
    info = SegmentInfo(
        id=writer.catalog.advance("next_segment", 1),
        space=like.space,
        device=like.device,
        precision=like.precision,
    )
    folder = writer.folder.space(like.space).segments
    write_segment(
        folder,
        info,
        batch.rows,
        batch.vectors,
        batch.patches,
        keypoint_rows=batch.keypoints,
        head_rows=batch.heads,
    )
    size = segment_bytes(folder, info.id)
    record = SegmentRecord(**asdict(info), rows=len(batch.rows), bytes=size)
    return record, [row.id for row in batch.rows]
