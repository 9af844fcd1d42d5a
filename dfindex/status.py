"""An index in figures."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from indexer.store.catalog.migrations import FORMAT_VERSION

if TYPE_CHECKING:
    from indexer.store.catalog.catalog import MediaCounts
    from indexer.store.catalog.presence import FilesThere
    from indexer.store.reader import IndexReader
    from indexer.store.vectors.ann_cache import AnnInfo


@dataclass(frozen=True, kw_only=True)
class SpaceStatus:
    """A space in figures; ``ann`` says what its nearest-neighbour cache is."""

    name: str
    encoder: str
    fingerprint: str
    dim: int
    samples: int
    bytes_per_sample: int
    ann: dict[str, Any] | None
    devices: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Status:
    """An index in figures; ``roots`` are the folders its files lie below, where they are now.

    ``files`` is None where they were not looked for.
    """

    index: str
    generation: int
    media: MediaCounts
    samples: dict[str, int]
    spaces: tuple[SpaceStatus, ...]
    bytes: int
    version: int
    roots: tuple[str, ...]
    files: FilesThere | None

    def to_json(self) -> dict[str, Any]:
        """Return the figures as plain JSON values."""
        return asdict(self)


def status_of(reader: IndexReader, *, files: bool) -> Status:
    """Return what an open index holds, and with ``files`` which of its files are there."""
    from indexer.store.catalog.presence import look_for_files

    catalog = reader.catalog
    return Status(
        index=str(reader.folder.path),
        generation=catalog.generation,
        media=catalog.media_counts(),
        samples=catalog.sample_counts(),
        spaces=tuple(_space_status(reader, row.fingerprint) for row in catalog.spaces()),
        bytes=_folder_bytes(reader.folder.path),
        version=FORMAT_VERSION,
        roots=tuple(catalog.roots()),
        files=look_for_files(catalog) if files else None,
    )


def _space_status(reader: IndexReader, fingerprint: str) -> SpaceStatus:
    space = reader.space(fingerprint)
    segments = reader.catalog.segments(fingerprint)
    rows = sum(one.rows for one in segments)
    info = space.ann
    return SpaceStatus(
        name=space.row.name,
        encoder=space.row.encoder.source,
        fingerprint=fingerprint,
        dim=space.row.dim,
        samples=space.row.samples,
        bytes_per_sample=round(sum(one.bytes for one in segments) / rows) if rows else 0,
        ann=None if info is None else _ann(info),
        devices=tuple(sorted({f"{one.device} {one.precision}" for one in segments})),
    )


def _ann(info: AnnInfo) -> dict[str, Any]:
    return {"kind": info.kind, "rows": info.rows, "recall_at_10": info.recall_at_10}


def _folder_bytes(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
