"""The one writer of an index: open or create it, commit to it, publish it."""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np

from indexer.closing import Closing
from indexer.corpus import FoundFile
from indexer.errors import IndexDamagedError, SpaceMismatchError, StoreError
from indexer.store.catalog.catalog import Catalog, SegmentRecord, SpaceRow
from indexer.store.catalog.changes import Changes, LinkedFile
from indexer.store.catalog.database import attach, attach_when_free, publish, translated
from indexer.store.catalog.files import FailedFile
from indexer.store.catalog.migrations import format_version
from indexer.store.catalog.opening import upgraded
from indexer.store.catalog.roots import relative_to
from indexer.store.durable import is_there, replace_file, sync_folder, write_sealed_json
from indexer.store.folder import IndexFolder
from indexer.store.ledger import Ledger, keep_ledger, last_generation
from indexer.store.lock import WriterLock
from indexer.store.maintenance.leftovers import clean_up
from indexer.store.vectors.ann import EXACT_UP_TO
from indexer.store.vectors.ann_cache import AnnCache, AnnInfo
from indexer.store.vectors.keypoint_cache import PART, KeypointCache
from indexer.store.vectors.patch_codec import PatchCodec
from indexer.store.vectors.segments import SegmentInfo, SegmentRow, segment_bytes, write_segment
from indexer.store.vectors.space import Space
from indexer.types import Encoder, EncoderSpec, Float32, Kind, UInt8

Array = TypeVar("Array", Float32, UInt8)

_PUBLISH_EVERY_S = 2.0
_PUBLISH_SHARE = 20  # publish at most a twentieth of the time


@dataclass(frozen=True, kw_only=True)
class NewSample:
    """One sample, read: its class token (D,) and its compressed patch tokens (bytes,).

    ``keypoint_row`` is a row of `Keypoints`; ``head_row`` (D + labels,) is the class token as the
    encoder's head read it, and its logits; ``page`` counts from 1 where a file holds several
    pictures; ``structure`` is in levels, None where it was not measured.
    """

    file: FoundFile
    sha256: str
    width: int
    height: int
    format: str
    vector: Float32
    patch_row: UInt8
    keypoint_row: UInt8 | None = None
    head_row: Float32 | None = None
    kind: Kind = Kind.IMAGE
    time_s: float | None = None
    from_s: float | None = None
    until_s: float | None = None
    page: int | None = None
    structure: float | None = None
    box: tuple[int, int, int, int] | None = None


class IndexWriter(Closing):
    """Writes to an index folder, which it creates where there is none.

    Raise IndexLockedError where another process is writing, IndexDamagedError where the catalog
    cannot be trusted.
    """

    def __init__(self, path: Path) -> None:
        self.folder = IndexFolder(path)
        self._check_room()
        path.mkdir(parents=True, exist_ok=True)
        self._lock = WriterLock(path)
        new = not self.folder.exists()
        try:
            self._open()
        except BaseException:
            if new:
                self.folder.forget_catalog()  # half of one would pass for a damaged index
            self._lock.close()
            raise

    def close(self) -> None:
        """Publish what was committed, and let the next writer in."""
        try:
            self.publish()
        finally:
            self.catalog.close()
            self._lock.close()

    def space_row(self, fingerprint: str) -> SpaceRow | None:
        """Return a space of this index, or None."""
        return next((row for row in self.catalog.spaces() if row.fingerprint == fingerprint), None)

    def embedded_contents(self, fingerprint: str) -> set[bytes]:
        """Return the SHA-256 digests of all contents with a live embedding in a space."""
        rows = self.catalog.query(
            "SELECT DISTINCT unhex(s.sha256) FROM samples s JOIN embeddings e "
            "ON e.sample_id = s.id WHERE e.space = ? "
            "AND s.id NOT IN (SELECT sample_id FROM tombstones)",
            [fingerprint],
        )
        return {bytes(row[0]) for row in rows}

    def codec(self, spec: EncoderSpec) -> PatchCodec | None:
        """Return the patch compression of the space ``spec`` makes, None where it is new."""
        if self.space_row(spec.fingerprint) is None:
            return None
        return PatchCodec.from_bytes(self.catalog.patch_codec(spec.fingerprint))

    def add_space(self, spec: EncoderSpec, codec: PatchCodec, *, loaded_from: str) -> None:
        """Create the space that ``spec`` makes; ``loaded_from`` finds its encoder again."""
        folder = self.folder.space(spec.fingerprint)
        folder.segments.mkdir(parents=True, exist_ok=True)
        replace_file(folder.codec, lambda file: file.write(codec.to_bytes()))
        write_sealed_json(folder.spec, {"encoder": spec.to_json()})
        sync_folder(self.folder.spaces)
        self.catalog.add_space(spec, codec.to_bytes(), loaded_from=loaded_from)

    def commit(
        self,
        spec: EncoderSpec,
        *,
        made_on: Encoder | None = None,
        samples: Sequence[NewSample] = (),
        linked: Sequence[LinkedFile] = (),
        failed: Sequence[FailedFile] = (),
    ) -> None:
        """Make samples, further paths to known contents, and failures visible, all at once.

        ``made_on`` is the encoder that made the samples; where it ran is kept with them.
        """
        files = [LinkedFile(file=one.file, sha256=one.sha256) for one in samples]
        changes = Changes(files=[*files, *linked], failed=failed)
        if samples and made_on is not None:
            self._check_dim(spec, samples)
            info = SegmentInfo(
                id=self.catalog.advance("next_segment", 1),
                space=spec.fingerprint,
                device=made_on.device,
                precision=made_on.precision,
            )
            changes.rows = self._rows(samples)
            changes.segment = self._write(info, changes.rows, samples)
        self.catalog.apply(changes)
        self._unlisted[spec.fingerprint] += len(samples)
        if self._unlisted[spec.fingerprint] >= PART:  # readers hold what is in no list in memory
            self.refresh_keypoints(spec.fingerprint)
        self._publish_now_and_then()

    def publish(self) -> None:
        """Let readers see the last commit."""
        started = time.monotonic()
        with self.catalog.exclusively() as connection:
            keep_ledger(self.folder, Ledger.of(self.catalog))
            publish(connection, self.folder.published)
        self._published_at = time.monotonic()
        self._publish_cost = self._published_at - started

    def refresh_ann(self, fingerprint: str, *, exact_up_to: int = EXACT_UP_TO) -> AnnInfo | None:
        """Rebuild a space's cached nearest-neighbour index where it is worn or damaged."""
        row = self.space_row(fingerprint)
        records = self.catalog.segments(fingerprint)
        segments = [record.id for record in records]
        if row is None or not segments:
            return None
        cache = AnnCache(self.folder.space(fingerprint).ann)
        info = cache.newest(segments)
        worn = info is None or info.is_worn(records, self.catalog.tombstones())
        if info is not None and not worn and cache.intact(info):
            return info
        space = Space(self.catalog, row, self.folder.space(fingerprint))
        return cache.write(
            self.catalog.generation,
            segments,
            space.batches,
            count=row.samples,
            dim=row.dim,
            exact_up_to=exact_up_to,
        )

    def refresh_keypoints(self, fingerprint: str, *, thorough: bool = False) -> None:
        """Make a space's keypoint lists of what is in none, where that is worth it.

        With ``thorough`` none are kept of deleted samples.
        """
        row = self.space_row(fingerprint)
        if row is None:
            return
        folder = self.folder.space(fingerprint)
        space = Space(self.catalog, row, folder)
        KeypointCache(folder.keypoints).refresh(space.ids(), space.keypoint_rows, thorough=thorough)
        self._unlisted[fingerprint] = 0

    def _check_room(self) -> None:
        foreign = self.folder.foreign_entry()
        if foreign is not None:
            raise StoreError(
                f"expected an index or an empty folder, but {self.folder.path} holds {foreign!r} "
                "and no index; name another folder with --index"
            )

    def _open(self) -> None:
        self._check_there(is_there(self.folder.catalog))
        connection = attach_when_free(self.folder.catalog)
        with translated(self.folder.catalog):
            self._check_there(format_version(connection) > 0)
        self.catalog = upgraded(connection, self.folder.catalog)
        self._check_nothing_lost()
        self.folder.readers.touch()
        self._publish_cost = 0.0
        self._unlisted: Counter[str] = Counter()
        self.publish()
        clean_up(self.folder, self.catalog)

    def _check_there(self, there: bool) -> None:
        held = next(self.folder.spaces.glob("*/segments/*.ids"), None)
        if not there and (held is not None or is_there(self.folder.published)):
            raise IndexDamagedError(
                f"{self.folder.catalog} is missing or empty, but the index was published; "
                "run dfindex doctor --repair"
            )

    def _check_nothing_lost(self) -> None:
        published = max(self._published_generation(), last_generation(self.folder))
        if published > self.catalog.generation:
            raise IndexDamagedError(
                f"{self.folder.catalog} is at generation {self.catalog.generation}, but "
                f"generation {published} was published: commits were lost; "
                "run dfindex doctor --repair"
            )

    def _published_generation(self) -> int:
        if not is_there(self.folder.published):
            return 0
        snapshot = attach(self.folder.published, read_only=True)
        try:
            return Catalog(snapshot, self.folder.published).generation
        finally:
            snapshot.close()

    def _check_dim(self, spec: EncoderSpec, samples: Iterable[NewSample]) -> None:
        for one in samples:
            if one.vector.shape != (spec.dim,):
                raise SpaceMismatchError(
                    f"the space {spec.space!r} holds vectors of {spec.dim} dimensions, "
                    f"got {one.vector.shape} for {one.file.path}"
                )

    def _rows(self, samples: Sequence[NewSample]) -> list[SegmentRow]:
        known = self._ids_of({one.sha256 for one in samples})
        new = [one for one in samples if _identity(one) not in known]
        first = self.catalog.advance("next_id", len(new))
        fresh = {_identity(one): first + offset for offset, one in enumerate(new)}
        ids = known | fresh
        index = os.fsencode(self.folder.path)
        folders = {os.path.dirname(one.file.raw) for one in samples}
        seen = {folder: relative_to(index, folder) for folder in folders}
        return [_row(one, ids[_identity(one)], seen) for one in samples]

    def _ids_of(self, contents: set[str]) -> dict[tuple[object, ...], int]:
        """Return ids of live samples by what they are, where another space has them already."""
        rows = self.catalog.query(
            "SELECT sha256, kind, time_s, page, box, id FROM samples "
            "WHERE sha256 IN (SELECT unnest($contents::VARCHAR[])) "
            "AND id NOT IN (SELECT sample_id FROM tombstones)",
            {"contents": sorted(contents)},
        )
        return {
            (sha, kind, time_s, page, tuple(box) if box else None): id_
            for sha, kind, time_s, page, box, id_ in rows
        }

    def _write(
        self,
        info: SegmentInfo,
        rows: Sequence[SegmentRow],
        samples: Sequence[NewSample],
    ) -> SegmentRecord:
        folder = self.folder.space(info.space).segments
        vectors = np.stack([one.vector for one in samples])
        patches = np.stack([one.patch_row for one in samples])
        points = _stacked([one.keypoint_row for one in samples])
        heads = _stacked([one.head_row for one in samples])
        write_segment(folder, info, rows, vectors, patches, keypoint_rows=points, head_rows=heads)
        size = segment_bytes(folder, info.id)
        return SegmentRecord(**asdict(info), rows=len(rows), bytes=size)

    def _publish_now_and_then(self) -> None:
        pause = max(_PUBLISH_EVERY_S, _PUBLISH_SHARE * self._publish_cost)
        if time.monotonic() - self._published_at >= pause:
            self.publish()


def _stacked(rows: Sequence[Array | None]) -> Array | None:
    """Put rows into one array, None where any of them is missing."""
    present = [row for row in rows if row is not None]
    return np.stack(present) if len(present) == len(rows) else None


def _identity(sample: NewSample) -> tuple[object, ...]:
    return (sample.sha256, sample.kind.value, sample.time_s, sample.page, sample.box)


def _row(sample: NewSample, id_: int, folders: Mapping[bytes, bytes]) -> SegmentRow:
    """Describe a sample for its segment; ``folders`` are those of files, as the index sees them."""
    folder, name = os.path.split(sample.file.raw)
    return SegmentRow(
        id=id_,
        sha256=sample.sha256,
        kind=sample.kind.value,
        width=sample.width,
        height=sample.height,
        format=sample.format,
        raw_path=sample.file.raw.hex(),
        relative_path=os.path.join(folders[folder], name).hex(),
        size=sample.file.size,
        mtime_ns=sample.file.mtime_ns,
        time_s=sample.time_s,
        from_s=sample.from_s,
        until_s=sample.until_s,
        page=sample.page,
        structure=sample.structure,
        box=sample.box,
    )
