"""The catalog: what the index knows of files, samples, spaces and segments; reading it."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from duckdb import DuckDBPyConnection

from indexer.corpus import FoundFile, as_text
from indexer.errors import IndexDamagedError
from indexer.store.catalog.database import translated
from indexer.types import EncoderSpec, Int64, Kind, Sample, Span, sample_id

# One row for each live sample and each of its paths, with every column a filter may name.
SAMPLE_PATHS = """
    SELECT s.id, s.sha256, s.kind, s.time_s, s.page, s.width, s.height, m.bytes, m.format,
           p.path, make_timestamp(p.mtime_ns // 1000) AS modified,
           l.label, l.generator, l.source, l."group"
    FROM samples s
    JOIN media m ON m.sha256 = s.sha256
    JOIN paths p ON p.sha256 = s.sha256 AND p.state = 'indexed'
    LEFT JOIN labels l ON l.sha256 = s.sha256
    WHERE s.id NOT IN (SELECT sample_id FROM tombstones)
"""


@dataclass(frozen=True, kw_only=True)
class MediaCounts:
    """Files by what became of them; ``indexed + failed == seen``."""

    seen: int
    indexed: int
    failed: int
    removed: int
    missing: int


@dataclass(frozen=True, kw_only=True)
class SpaceRow:
    """A space as the catalog knows it; ``samples`` counts live embeddings.

    ``loaded_from`` is the name or folder by which its encoder was last found.
    """

    fingerprint: str
    name: str
    encoder: EncoderSpec
    dim: int
    loaded_from: str
    samples: int


@dataclass(frozen=True, kw_only=True)
class SegmentRecord:
    """A segment as the catalog knows it."""

    id: int
    space: str
    rows: int
    bytes: int
    device: str
    precision: str


@dataclass(frozen=True, kw_only=True)
class Failure:
    """A file that could not be indexed."""

    path: str
    sha256: str | None
    reason: str
    message: str
    at: str


@dataclass(frozen=True)
class FrameRow:
    """A live sample of some content, and when it is shown; a picture's span is all zeros.

    ``structure`` is None where it was not measured, in an index of an older dfindex.
    """

    sha256: str
    id: int
    span: Span
    page: int | None = None
    structure: float | None = None


@dataclass(frozen=True)
class Encoding:
    """What a file is: bytes, format in capitals, and the pixels of what it shows."""

    bytes: int
    format: str
    width: int
    height: int


@dataclass(frozen=True)
class Located:
    """Where embeddings live: three arrays (n,) int64 in step."""

    ids: Int64
    segments: Int64
    rows: Int64

    def of(self, ids: Iterable[int] | Int64) -> Located:
        """Return where those of some ids live that are among these, by id."""
        wanted = np.unique(ids if isinstance(ids, np.ndarray) else np.fromiter(ids, np.int64))
        places = np.searchsorted(self.ids, wanted)
        there = places < len(self.ids)
        kept = places[there][self.ids[places[there]] == wanted[there]]
        return Located(self.ids[kept], self.segments[kept], self.rows[kept])


class Catalog:
    """Reads a catalog through a DuckDB connection whose current database it is.

    Threads may share it: one statement runs at a time.
    """

    def __init__(self, connection: DuckDBPyConnection, path: Path) -> None:
        self.connection = connection
        self._path = path
        self._lock = threading.RLock()

    def query(self, sql: str, parameters: object = None) -> list[tuple[Any, ...]]:
        """Return all rows of one statement; DuckDB's errors become dfindex's."""
        with self._lock, translated(self._path):
            return self.connection.execute(sql, parameters).fetchall()  # type: ignore[no-any-return]

    @contextmanager
    def exclusively(self) -> Iterator[DuckDBPyConnection]:
        """Hand out the connection while every other thread's statements wait."""
        with self._lock:
            yield self.connection

    def columns(self, sql: str, parameters: object = None) -> tuple[Int64, ...]:
        """Return the int64 columns of one statement."""
        with self._lock, translated(self._path):
            result = self.connection.execute(sql, parameters).fetchnumpy()
        return tuple(np.asarray(column, dtype=np.int64) for column in result.values())

    @property
    def index(self) -> Path:
        """The index folder this catalog belongs to."""
        folder = self._path.parent
        return folder.parent if folder.name == "published" else folder

    def close(self) -> None:
        """Close the connection."""
        self.connection.close()

    def number(self, key: str) -> int:
        """Return a counter of the meta table: generation, next_id, next_segment."""
        rows = self.query("SELECT value FROM meta WHERE key = ?", [key])
        if not rows:
            raise IndexDamagedError(f"{self._path} has no {key!r}; run dfindex doctor --repair")
        return int(rows[0][0])

    @property
    def generation(self) -> int:
        """How many commits the index has seen."""
        return self.number("generation")

    def ids_in(self, segment: int) -> Int64:
        """Return the id of the sample in each row of a segment, those of dead ones too."""
        return self.columns(
            "SELECT sample_id FROM embeddings WHERE segment = ? ORDER BY row", [segment]
        )[0]

    def contents_of(self, segment: int) -> list[str]:
        """Return the SHA-256 of the sample in each row of a segment."""
        rows = self.query(
            "SELECT s.sha256 FROM embeddings e LEFT JOIN samples s ON s.id = e.sample_id "
            "WHERE e.segment = ? ORDER BY e.row",
            [segment],
        )
        return [sha256 for (sha256,) in rows]

    def dropped(self) -> dict[int, int]:
        """Return the segments whose files are still to be deleted, by the generation that did."""
        rows = self.query("SELECT value FROM meta WHERE key = 'dropped'")
        return {int(id_): at for id_, at in json.loads(rows[0][0]).items()} if rows else {}

    def media_counts(self) -> MediaCounts:
        """Count files by what became of them."""
        seen, indexed, failed, missing = self.query(
            "SELECT count(*), count(*) FILTER (state = 'indexed'), "
            "count(*) FILTER (state = 'failed'), count(*) FILTER (missing) FROM paths"
        )[0]
        removed = self.query("SELECT count(*) FROM removals")[0][0]
        return MediaCounts(
            seen=seen, indexed=indexed, failed=failed, removed=removed, missing=missing
        )

    def sample_counts(self) -> dict[str, int]:
        """Count live samples by kind; every kind is there."""
        rows = self.query(
            "SELECT kind, count(*) FROM samples "
            "WHERE id NOT IN (SELECT sample_id FROM tombstones) GROUP BY kind"
        )
        return {kind.value: 0 for kind in Kind} | dict(rows)

    def spaces(self) -> list[SpaceRow]:
        """Return all spaces, the oldest first."""
        rows = self.query(
            """
            SELECT fingerprint, name, encoder, dim, loaded_from,
                   (SELECT count(*) FROM embeddings e WHERE e.space = fingerprint
                    AND e.sample_id NOT IN (SELECT sample_id FROM tombstones))
            FROM spaces ORDER BY created_at, fingerprint
            """
        )
        return [
            SpaceRow(
                fingerprint=fingerprint,
                name=name,
                encoder=EncoderSpec.from_json(json.loads(encoder)),
                dim=dim,
                loaded_from=loaded_from,
                samples=samples,
            )
            for fingerprint, name, encoder, dim, loaded_from, samples in rows
        ]

    def patch_codec(self, space: str) -> bytes:
        """Return the parameters of a space's patch compression."""
        return bytes(
            self.query("SELECT patch_codec FROM spaces WHERE fingerprint = ?", [space])[0][0]
        )

    def segments(self, space: str | None = None) -> list[SegmentRecord]:
        """Return the segments of one space, or of all, in the order they were written."""
        rows = self.query(
            "SELECT id, space, rows, bytes, device, precision FROM segments "
            "WHERE $space IS NULL OR space = $space ORDER BY id",
            {"space": space},
        )
        names = ("id", "space", "rows", "bytes", "device", "precision")
        return [SegmentRecord(**dict(zip(names, row, strict=True))) for row in rows]

    def failures(self) -> list[Failure]:
        """Return every file that could not be indexed, by path."""
        rows = self.query(
            "SELECT path, sha256, reason, message, strftime(failed_at, '%Y-%m-%dT%H:%M:%SZ') "
            "FROM failures ORDER BY path, raw"
        )
        names = ("path", "sha256", "reason", "message", "at")
        return [Failure(**dict(zip(names, row, strict=True))) for row in rows]

    def live(self, ids: Sequence[int]) -> set[int]:
        """Return which of some ids are those of live samples."""
        rows = self.query(
            "SELECT id FROM samples WHERE id IN (SELECT unnest($ids::BIGINT[])) "
            "AND id NOT IN (SELECT sample_id FROM tombstones)",
            {"ids": list(ids)},
        )
        return {id_ for (id_,) in rows}

    def tombstones(self) -> Int64:
        """Return the ids (n,) int64 of deleted samples that segments still hold."""
        return self.columns("SELECT sample_id FROM tombstones")[0]

    def locate(self, space: str) -> Located:
        """Return where the live embeddings of a space live, by id."""
        return Located(
            *self.columns(
                """
                SELECT sample_id, segment, row FROM embeddings WHERE space = ?
                  AND sample_id NOT IN (SELECT sample_id FROM tombstones) ORDER BY sample_id
                """,
                [space],
            )
        )

    def samples(self, ids: Sequence[int]) -> list[Sample]:
        """Return samples in the order of ``ids``; ids that are not live are left out."""
        rows = self.query(
            """
            WITH wanted AS (SELECT unnest($ids::BIGINT[]) AS id)
            SELECT s.id, s.sha256, s.kind, s.time_s, s.page, s.box, s.width, s.height,
                   (SELECT arg_min(p.path, (p.missing, p.path)) FROM paths p
                    WHERE p.sha256 = s.sha256 AND p.state = 'indexed'),
                   l.label, l.generator, l.source
            FROM samples s JOIN wanted USING (id) LEFT JOIN labels l ON l.sha256 = s.sha256
            WHERE s.id NOT IN (SELECT sample_id FROM tombstones)
            """,
            {"ids": [int(one) for one in ids]},
        )
        by_id = {row[0]: _sample(row) for row in rows}
        return [by_id[int(one)] for one in ids if int(one) in by_id]

    def frames(self, contents: Sequence[str]) -> list[FrameRow]:
        """Return all live samples of some contents, each content's by time and page."""
        rows = self.query(
            """
            SELECT sha256, id, coalesce(time_s, 0), coalesce(from_s, time_s, 0),
                   coalesce(until_s, time_s, 0), page, structure FROM samples
            WHERE sha256 IN (SELECT unnest($contents::VARCHAR[]))
              AND id NOT IN (SELECT sample_id FROM tombstones)
            ORDER BY sha256, time_s, page, id
            """,
            {"contents": list(contents)},
        )
        return [
            FrameRow(sha256, id_, Span(time_s, from_s, until_s), page, structure)
            for sha256, id_, time_s, from_s, until_s, page, structure in rows
        ]

    def find(self, text: str) -> list[int]:
        """Return the ids of live samples that a path, a SHA-256 or an id names."""
        rows = self.query(
            f"SELECT DISTINCT id FROM ({SAMPLE_PATHS}) "
            "WHERE sha256 = lower($text) OR path = $text OR id = $id ORDER BY id",
            {"text": as_text(os.fsencode(text)), "id": sample_id(text)},
        )
        return [row[0] for row in rows]

    def blank(self, ids: Sequence[int], *, below: float) -> set[int]:
        """Return which of some samples were measured to have less structure than ``below``."""
        rows = self.query(
            "SELECT id FROM samples WHERE structure < $below "
            "AND id IN (SELECT unnest($ids::BIGINT[]))",
            {"below": below, "ids": [int(one) for one in ids]},
        )
        return {row[0] for row in rows}

    def filter(self, condition: str, parameters: Sequence[object]) -> Int64:
        """Return the ids (n,) of live samples that meet a condition over `SAMPLE_PATHS`.

        ``condition`` is SQL made by `search.filters`, never a user's text.
        """
        return self.columns(
            f"SELECT DISTINCT id FROM ({SAMPLE_PATHS}) WHERE {condition} ORDER BY id", parameters
        )[0]

    def roots(self) -> list[str]:
        """Return the folders that files lie below, where they are now."""
        rows = self.query("SELECT name FROM places ORDER BY name")
        return [name.rstrip("/") or "/" for (name,) in rows]

    def files_below(self, path: bytes) -> list[bytes]:
        """Return the files at or below a path."""
        below = (path.rstrip(b"/") + b"/").hex().upper()
        rows = self.query(
            "SELECT raw FROM paths WHERE raw = $path OR starts_with(hex(raw), $below) ORDER BY raw",
            {"path": path, "below": below},
        )
        return [bytes(raw) for (raw,) in rows]

    def paths_of(self, sha256: str) -> list[str]:
        """Return all paths with this content, by name."""
        rows = self.query(
            "SELECT path FROM paths WHERE sha256 = ? AND state = 'indexed' ORDER BY path", [sha256]
        )
        return [row[0] for row in rows]

    def encoding(self, sample_id: int) -> Encoding:
        """Return how the file behind a sample of the index is encoded."""
        return self.encodings([sample_id])[sample_id]

    def encodings(self, ids: Sequence[int]) -> dict[int, Encoding]:
        """Return how the file behind each of some samples is encoded."""
        rows = self.query(
            """
            SELECT DISTINCT s.id, m.bytes, m.format, m.width, m.height
            FROM samples s JOIN media m ON m.sha256 = s.sha256
            WHERE s.id IN (SELECT unnest($ids::BIGINT[]))
            """,
            {"ids": [int(one) for one in ids]},
        )
        return {id_: Encoding(*rest) for id_, *rest in rows}

    def files_of(self, ids: Sequence[int]) -> dict[int, list[FoundFile]]:
        """Return all files with each sample's content as they were indexed, missing ones last."""
        rows = self.query(
            """
            SELECT s.id, p.raw, p.path, p.size, p.mtime_ns
            FROM samples s JOIN paths p ON p.sha256 = s.sha256 AND p.state = 'indexed'
            WHERE s.id IN (SELECT unnest($ids::BIGINT[])) ORDER BY p.missing, p.path, p.raw
            """,
            {"ids": [int(one) for one in ids]},
        )
        found: dict[int, list[FoundFile]] = {int(one): [] for one in ids}
        for id_, raw, path, size, mtime_ns in rows:
            found[id_].append(FoundFile(raw=bytes(raw), path=path, size=size, mtime_ns=mtime_ns))
        return found


def _sample(row: tuple[Any, ...]) -> Sample:
    id_, sha256, kind, time_s, page, box, width, height, path, label, generator, source = row
    return Sample(
        id=id_,
        path=path or "",
        sha256=sha256,
        kind=Kind(kind),
        time_s=time_s,
        page=page,
        box=tuple(box) if box else None,
        width=width,
        height=height,
        label=label,
        generator=generator,
        source=source,
    )
