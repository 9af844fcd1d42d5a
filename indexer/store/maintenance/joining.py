"""Join the small segments that many small builds leave, so that an index stays as fast as it was.

Segments of about one size are joined when there are `FEW` of them (log-structured merge: O'Neil
et al., 1996), so a row is written again a few times only, however many builds there are.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence

from indexer.store.catalog.catalog import SegmentRecord
from indexer.store.maintenance.compaction import FULL_ROWS, rewrite
from indexer.store.vectors.ann_cache import AnnCache
from indexer.store.writer import IndexWriter

FEW = 16


def join_small(writer: IndexWriter, space: str) -> None:
    """Join what is worth it of a space, and drop deleted rows where they are half of it.

    Segments in a cached nearest-neighbour index are left alone until it is made anew anyway.
    """
    records = writer.catalog.segments(space)
    info = AnnCache(writer.folder.space(space).ann).newest([one.id for one in records])
    if info is not None and not info.is_worn(records, writer.catalog.tombstones()):
        records = [one for one in records if one.id not in info.segments]
    if chosen := _worth_it(records, _live_rows(writer, space)):
        rewrite(writer, chosen)


def _live_rows(writer: IndexWriter, space: str) -> dict[int, int]:
    rows = writer.catalog.query(
        "SELECT segment, count(*) FROM embeddings WHERE space = ? "
        "AND sample_id NOT IN (SELECT sample_id FROM tombstones) GROUP BY segment",
        [space],
    )
    return dict(rows)


def _worth_it(records: Sequence[SegmentRecord], live: Mapping[int, int]) -> list[SegmentRecord]:
    worn = [one for one in records if live.get(one.id, 0) < one.rows]
    dead = sum(one.rows - live.get(one.id, 0) for one in worn)
    if dead > max(FEW, sum(live.values()) // 2):
        return worn
    levels = defaultdict(list)
    for one in records:
        if one.rows < FULL_ROWS:
            levels[_level(one.rows)].append(one)
    return next((group for group in levels.values() if len(group) >= FEW), [])


def _level(rows: int) -> int:
    """Return how often a number of rows can be divided by `FEW`."""
    level = 0
    while rows >= FEW:
        rows //= FEW
        level += 1
    return level
