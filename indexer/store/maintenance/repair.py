"""Repair an index from what is still whole; nothing that was removed comes back by it."""

from __future__ import annotations

from pathlib import Path

from indexer.errors import IndexDamagedError, StoreError
from indexer.store.catalog.catalog import SegmentRecord
from indexer.store.catalog.changes import WritableCatalog
from indexer.store.catalog.database import publish
from indexer.store.durable import read_sealed_json, replace_file, unreadable, write_sealed_json
from indexer.store.folder import IndexFolder, SpaceFolder
from indexer.store.ledger import Ledger, keep_ledger, kept_ledger
from indexer.store.lock import WriterLock
from indexer.store.maintenance.adoption import Buried, adopt, as_indexed, raise_counter
from indexer.store.maintenance.examination import Examination, Finding, check_segment, look_over
from indexer.store.maintenance.leftovers import clean_up
from indexer.store.maintenance.quarantine import quarantine
from indexer.store.maintenance.restoration import restored
from indexer.store.vectors.ann_cache import AnnCache
from indexer.store.vectors.keypoint_cache import KeypointCache
from indexer.store.vectors.patch_codec import PatchCodec
from indexer.types import EncoderSpec


def repair(path: Path) -> Examination:
    """Repair an index: restore its catalog, drop what is damaged, adopt what a lost commit left.

    Damaged files go to quarantine; nothing is deleted but caches. What cannot be restored is
    said in the findings, and is embedded again by the next `dfindex build`. Raise StoreError
    before anything is changed where a file cannot be read for another reason than damage.
    """
    folder = IndexFolder(path)
    if not folder.exists():
        raise StoreError(f"there is no index at {path} to repair")
    with WriterLock(path):
        result, catalogs = look_over(folder)
        _refuse_unreadable(result)
        with restored(folder, catalogs, result) as catalog:
            _Repair(folder, catalog, result).run()
        result.count_quarantine(folder)
    return result


def _refuse_unreadable(result: Examination) -> None:
    for finding in result.findings:
        if finding.unreadable:
            raise StoreError(f"{finding.problem}; nothing was repaired, since it may be whole")


class _Repair:
    """Works on a catalog that is whole."""

    def __init__(self, folder: IndexFolder, catalog: WritableCatalog, result: Examination) -> None:
        self._folder = folder
        self._catalog = catalog
        self._result = result
        self._ledger = _ledger(folder)
        self._next_id = catalog.number("next_id")
        self._next_segment = catalog.number("next_segment")
        self._anew = self._next_segment == 1

    def run(self) -> None:
        """Repair the spaces, and publish the catalog."""
        self._apply_ledger()
        for path in sorted(self._folder.spaces.glob("*")):
            if path.is_dir():
                self._repair_space(SpaceFolder(path))
        self._forget_files_without_embedding()
        self._folder.readers.touch()
        keep_ledger(self._folder, Ledger.of(self._catalog))
        publish(self._catalog.connection, self._folder.published)
        clean_up(self._folder, self._catalog)

    def _apply_ledger(self) -> None:
        """Let what a newer generation than the catalog's deleted and dropped stay so."""
        ledger, catalog = self._ledger, self._catalog
        if ledger is None or ledger.generation <= catalog.generation:
            return
        dropped = [one.id for one in catalog.segments() if one.id not in ledger.segments]
        with catalog.transaction():
            catalog.bury(ledger.dead)
            for number in dropped:
                self._forget_segment(number)
            catalog.note_dropped(catalog.dropped() | dict.fromkeys(dropped, ledger.generation))
        for key in ("generation", "next_id", "next_segment"):
            raise_counter(catalog, key, getattr(ledger, key))
        if dropped:
            self._result.actions.append(
                f"dropped {len(dropped)} segments, which a lost commit had dropped"
            )

    def _forget_segment(self, number: int) -> None:
        self._catalog.query("DELETE FROM embeddings WHERE segment = ?", [number])
        self._catalog.query("DELETE FROM segments WHERE id = ?", [number])

    def _repair_space(self, space: SpaceFolder) -> None:
        rows = {row.fingerprint: row for row in self._catalog.spaces()}
        fingerprint = space.path.name
        if AnnCache(space.ann).problems():
            AnnCache(space.ann).drop()
        if KeypointCache(space.keypoints).problems():
            KeypointCache(space.keypoints).drop()
        if fingerprint in rows:
            write_sealed_json(space.spec, {"encoder": rows[fingerprint].encoder.to_json()})
            codec = self._catalog.patch_codec(fingerprint)
            replace_file(space.codec, lambda file: file.write(codec))
        elif not self._adopt_space(space):
            return
        for record in self._catalog.segments(fingerprint):
            try:
                check_segment(space, record, self._catalog)
            except IndexDamagedError:
                self._drop_segment(space, record)
        known = {record.id for record in self._catalog.segments(fingerprint)}
        # The newest first: should two hold the same, the later one was to replace the other.
        for path in sorted(space.segments.glob("*.ids"), reverse=True):
            if path.stem.isdecimal() and int(path.stem) not in known:
                self._adopt_segment(fingerprint, int(path.stem))

    def _adopt_space(self, space: SpaceFolder) -> bool:
        try:
            encoder = EncoderSpec.from_json(read_sealed_json(space.spec)["encoder"])
            with unreadable(space.codec):
                codec = space.codec.read_bytes()
            PatchCodec.from_bytes(codec)
            if encoder.fingerprint != space.path.name:
                raise IndexDamagedError(f"{space.spec} describes another encoder")
        except (IndexDamagedError, KeyError, ValueError, TypeError) as error:
            self._result.findings.append(Finding(str(space.path), str(error), "the whole space"))
            return False
        self._catalog.add_space(encoder, codec, loaded_from=encoder.name)
        self._result.actions.append(f"adopted the space {encoder.space} from {space.spec}")
        return True

    def _drop_segment(self, space: SpaceFolder, record: SegmentRecord) -> None:
        with self._catalog.transaction():
            self._forget_segment(record.id)
        files = sorted(space.segments.glob(f"{record.id:012d}.*"))
        where = f", now in quarantine {quarantine(self._folder, files)}" if files else ""
        self._result.actions.append(
            f"dropped the damaged segment {record.id} of {record.rows} embeddings{where}"
        )

    def _adopt_segment(self, fingerprint: str, number: int) -> None:
        """Adopt what a lost commit left behind; whatever else is not known was dropped by one."""
        if not self._may_be_adopted(number):
            return
        try:
            rows = adopt(self._folder, fingerprint, number, self._catalog, self._buried())
        except IndexDamagedError:
            return  # `clean_up` moves it to quarantine
        self._result.actions.append(f"adopted the segment {number} of {rows} embeddings")

    def _may_be_adopted(self, number: int) -> bool:
        ledger = self._ledger
        if ledger is not None and ledger.next_segment > self._next_segment:
            return number in ledger.segments or number >= ledger.next_segment
        return number >= self._next_segment

    def _buried(self) -> Buried:
        """Return which rows of a segment that is to be adopted are deleted samples.

        Beside a catalog of an older state those are its ids that it has no more. Without one the
        ledger says it; without either, only what lies in the corpus as it was indexed is taken.
        """
        dead = set(self._ledger.dead) if self._ledger else set()
        if not self._anew:
            return lambda row: (
                row.id in dead or (row.id < self._next_id and not self._catalog.live([row.id]))
            )
        if self._ledger is None:
            return lambda row: as_indexed(row, self._folder) is not True
        return lambda row: row.id in dead or as_indexed(row, self._folder) is False

    def _forget_files_without_embedding(self) -> None:
        """Forget files whose embeddings are lost, so that the next build sees them as new."""
        catalog = self._catalog
        with catalog.transaction():
            catalog.query("DELETE FROM samples WHERE id NOT IN (SELECT sample_id FROM embeddings)")
            catalog.query("DELETE FROM tombstones WHERE sample_id NOT IN (SELECT id FROM samples)")
            files = catalog.query(
                "SELECT raw FROM paths WHERE state = 'indexed' AND sha256 NOT IN (SELECT sha256 "
                "FROM samples WHERE id NOT IN (SELECT sample_id FROM tombstones))"
            )
            catalog.files.forget([bytes(raw) for (raw,) in files])
        if files:
            self._result.actions.append(
                f"forgot {len(files)} files whose embeddings are lost; dfindex build embeds them "
                "again"
            )


def _ledger(folder: IndexFolder) -> Ledger | None:
    try:
        return kept_ledger(folder)
    except IndexDamagedError:
        return None  # which the examination has told
