"""Write to the catalog: each method is one transaction that ends in a new generation."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

from indexer.corpus import FoundFile
from indexer.errors import StoreError
from indexer.store.catalog.catalog import Catalog, SegmentRecord
from indexer.store.catalog.files import FailedFile, FileTable
from indexer.store.catalog.roots import locate
from indexer.store.vectors.segments import SegmentRow
from indexer.types import EncoderSpec


@dataclass(frozen=True, kw_only=True)
class LinkedFile:
    """A file whose content the index already holds."""

    file: FoundFile
    sha256: str


@dataclass(frozen=True, kw_only=True)
class Label:
    """What is known of a picture from outside."""

    label: str
    generator: str | None = None
    source: str | None = None
    group: str | None = None


@dataclass(kw_only=True)
class Changes:
    """What one commit makes visible, all of it or nothing.

    ``rows`` are those of ``segment``; ``files`` are all paths whose content is indexed now, those
    of the rows among them. ``dead`` are ids of rows that are deleted samples.
    """

    segment: SegmentRecord | None = None
    rows: Sequence[SegmentRow] = ()
    files: Sequence[LinkedFile] = ()
    failed: Sequence[FailedFile] = ()
    labels: dict[str, Label] = field(default_factory=dict)
    dead: Sequence[int] = ()


class WritableCatalog(Catalog):
    """A catalog that can be changed."""

    def follow_roots(self) -> None:
        """Find the roots where they are now, and remember it."""
        moved = [place for place in locate(self) if place.moved]
        if moved:
            with self.transaction():
                self.files.note_places(moved)

    @property
    def files(self) -> FileTable:
        """Its files; to be changed within a transaction."""
        return FileTable(self)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Commit what is done inside as one new generation, or nothing of it.

        Other threads' statements wait until it is done.
        """
        with self.exclusively():
            self.query("BEGIN TRANSACTION")
            try:
                yield
                self.advance("generation", 1)
                self.query("COMMIT")
            except BaseException:
                with suppress(StoreError):  # the first error says more
                    self.query("ROLLBACK")
                raise

    def advance(self, key: str, step: int) -> int:
        """Raise a counter by ``step`` and return what it was before."""
        with self.exclusively():
            before = self.number(key)
            self.query("UPDATE meta SET value = ? WHERE key = ?", [str(before + step), key])
        return before

    def add_space(self, spec: EncoderSpec, codec: bytes, *, loaded_from: str) -> None:
        """Note a new space, where its encoder was found, and its patch compression."""
        described = json.dumps(spec.to_json())
        with self.transaction():
            self.query(
                "INSERT INTO spaces VALUES (?, ?, ?, ?, ?, ?, now()::TIMESTAMP)",
                [spec.fingerprint, spec.space, described, spec.dim, loaded_from, codec],
            )

    def apply(self, changes: Changes) -> None:
        """Make one commit's changes visible."""
        with self.transaction():
            touched = [one.file.raw for one in changes.files]
            touched += [one.file.raw for one in changes.failed]
            replaced = self.files.contents(touched)
            if changes.segment is not None:
                self._insert_segment(changes.segment, changes.rows)
            self.files.put([(one.file, one.sha256) for one in changes.files])
            self.files.put_failed(changes.failed)
            self._insert_labels(changes.labels)
            self._bury_without_path(replaced)
            self.bury(changes.dead)

    def bury(self, ids: Sequence[int]) -> None:
        """Take samples for deleted; to be called within a transaction."""
        self.query(
            "INSERT INTO tombstones SELECT id FROM samples "
            "WHERE id IN (SELECT unnest($ids::BIGINT[])) ON CONFLICT DO NOTHING",
            {"ids": list(ids)},
        )

    def remove_paths(self, raws: Sequence[bytes]) -> int:
        """Forget files; samples left without one get a tombstone. Return how many files."""
        with self.transaction():
            contents = self.files.contents(raws)
            removed = self.files.remove(raws)
            self._bury_without_path(contents)
        return removed

    def move_paths(self, old: bytes, new: bytes) -> int:
        """Take all that lies at or below ``old`` to be at ``new``; return how many files."""
        with self.transaction():
            return self.files.move(old, new)

    def add_roots(self, folders: Iterable[bytes]) -> None:
        """Keep the paths below some folders relative to them."""
        if new := self.files.rootless(folders):
            with self.transaction():
                self.files.add_roots(new)

    def set_labels(self, labels: dict[str, Label]) -> None:
        """Label contents by SHA-256; an older label of the same content is replaced."""
        with self.transaction():
            self._insert_labels(labels)

    def swap_segments(
        self, old: Sequence[int], new: Sequence[tuple[SegmentRecord, Sequence[int]]]
    ) -> None:
        """Replace segments by others that hold the given ids, row by row, and drop the dead."""
        with self.transaction():
            parameters = {"old": list(old)}
            self.query(
                "DELETE FROM embeddings WHERE segment IN (SELECT unnest($old::BIGINT[]))",
                parameters,
            )
            self.query(
                "DELETE FROM segments WHERE id IN (SELECT unnest($old::BIGINT[]))", parameters
            )
            for record, ids in new:
                self._insert_segment_record(record)
                self._insert_embeddings(record, list(ids))
            self._forget_dead()
            at = self.generation + 1
            self.note_dropped(self.dropped() | dict.fromkeys(old, at))

    def note_dropped(self, segments: Mapping[int, int]) -> None:
        """Remember the segments whose files are still to be deleted."""
        self.query(
            "INSERT OR REPLACE INTO meta VALUES ('dropped', ?)", [json.dumps(dict(segments))]
        )

    def _forget_dead(self) -> None:
        self.query(
            "DELETE FROM samples WHERE id IN (SELECT sample_id FROM tombstones) "
            "AND id NOT IN (SELECT sample_id FROM embeddings)"
        )
        self.query("DELETE FROM tombstones WHERE sample_id NOT IN (SELECT id FROM samples)")
        self.query(
            "DELETE FROM media WHERE sha256 NOT IN (SELECT sha256 FROM samples) "
            "AND sha256 NOT IN (SELECT sha256 FROM files WHERE sha256 IS NOT NULL)"
        )

    def _bury_without_path(self, contents: Sequence[str]) -> None:
        self.query(
            """
            INSERT INTO tombstones SELECT id FROM samples
            WHERE sha256 IN (SELECT unnest($contents::VARCHAR[]))
              AND sha256 NOT IN (SELECT sha256 FROM files WHERE state = 'indexed')
              AND id NOT IN (SELECT sample_id FROM tombstones)
            """,
            {"contents": list(contents)},
        )

    def _insert_segment(self, record: SegmentRecord, rows: Sequence[SegmentRow]) -> None:
        self._insert_segment_record(record)
        self.query(
            "INSERT INTO media SELECT unnest($sha::VARCHAR[]), unnest($bytes::BIGINT[]), "
            "unnest($width::INTEGER[]), unnest($height::INTEGER[]), unnest($format::VARCHAR[]) "
            "ON CONFLICT DO NOTHING",
            {
                "sha": [row.sha256 for row in rows],
                "bytes": [row.size for row in rows],
                "width": [row.width for row in rows],
                "height": [row.height for row in rows],
                "format": [row.format for row in rows],
            },
        )
        self.query(
            "INSERT INTO samples SELECT unnest($id::BIGINT[]), unnest($sha::VARCHAR[]), "
            "unnest($kind::VARCHAR[]), unnest($time::DOUBLE[]), unnest($box::INTEGER[4][]), "
            "unnest($width::INTEGER[]), unnest($height::INTEGER[]), "
            "unnest($from::DOUBLE[]), unnest($until::DOUBLE[]), "
            "unnest($page::INTEGER[]), unnest($structure::FLOAT[]) ON CONFLICT DO NOTHING",
            {
                "id": [row.id for row in rows],
                "sha": [row.sha256 for row in rows],
                "kind": [row.kind for row in rows],
                "time": [row.time_s for row in rows],
                "from": [row.from_s for row in rows],
                "until": [row.until_s for row in rows],
                "page": [row.page for row in rows],
                "structure": [row.structure for row in rows],
                "box": [list(row.box) if row.box else None for row in rows],
                "width": [row.width for row in rows],
                "height": [row.height for row in rows],
            },
        )
        self._insert_embeddings(record, [row.id for row in rows])

    def _insert_segment_record(self, record: SegmentRecord) -> None:
        self.query(
            "INSERT INTO segments VALUES (?, ?, ?, ?, ?, ?)",
            [record.id, record.space, record.rows, record.bytes, record.device, record.precision],
        )

    def _insert_embeddings(self, record: SegmentRecord, ids: list[int]) -> None:
        self.query(
            "INSERT INTO embeddings SELECT $space, unnest($id::BIGINT[]), $segment, "
            "unnest($row::INTEGER[])",
            {
                "space": record.space,
                "segment": record.id,
                "id": ids,
                "row": list(range(len(ids))),
            },
        )

    def _insert_labels(self, labels: dict[str, Label]) -> None:
        self.query(
            "INSERT OR REPLACE INTO labels SELECT unnest($sha::VARCHAR[]), "
            "unnest($label::VARCHAR[]), unnest($generator::VARCHAR[]), "
            "unnest($source::VARCHAR[]), unnest($group::VARCHAR[])",
            {
                "sha": list(labels),
                "label": [one.label for one in labels.values()],
                "generator": [one.generator for one in labels.values()],
                "source": [one.source for one in labels.values()],
                "group": [one.group for one in labels.values()],
            },
        )
