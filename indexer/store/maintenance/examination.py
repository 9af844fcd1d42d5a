"""Look over an index: check every file of it against its checksums, and change nothing."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from indexer.errors import IndexDamagedError, IndexLockedError, StoreError
from indexer.store.catalog.catalog import Catalog, SegmentRecord, SpaceRow
from indexer.store.catalog.opening import open_catalog
from indexer.store.catalog.presence import FilesRead
from indexer.store.durable import file_sha256, unreadable
from indexer.store.folder import IndexFolder, SpaceFolder
from indexer.store.ledger import kept_ledger
from indexer.store.maintenance.database_check import DatabaseState, look_at
from indexer.store.maintenance.quarantine import Quarantined, quarantined
from indexer.store.vectors.ann_cache import AnnCache
from indexer.store.vectors.keypoint_cache import KeypointCache
from indexer.store.vectors.segments import segment_path
from indexer.store.vectors.space import check_spec, open_segment

_AWAY = DatabaseState(problem="is missing")


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong: where, what, and what `repair` cannot bring back.

    What is ``unreadable`` may be whole: no permission, or a disk that fails. Nothing is repaired
    until it can be read.
    """

    path: str
    problem: str
    loses: str = ""
    unreadable: bool = False


@dataclass(frozen=True, kw_only=True)
class HeadCheck:
    """Whether logit = W . cls + b holds for what a space keeps.

    ``largest`` is the greatest difference among ``samples``, None where the encoder is not here.
    """

    space: str
    encoder: str
    samples: int
    largest: float | None
    holds: bool


@dataclass
class Examination:
    """What a look over the index found, and what was done about it.

    ``files`` is about the corpus, None where it was not looked at.
    """

    findings: list[Finding] = field(default_factory=list)
    actions: list[str] = field(default_factory=list)
    segments: int = 0
    quarantined: int = 0
    quarantine: list[Quarantined] = field(default_factory=list)
    heads: list[HeadCheck] = field(default_factory=list)
    files: FilesRead | None = None

    @property
    def healthy(self) -> bool:
        """Whether nothing is wrong."""
        return not self.findings

    def count_quarantine(self, folder: IndexFolder) -> None:
        """Note what lies in quarantine by now."""
        self.quarantine = quarantined(folder)
        self.quarantined = sum(len(one.files) for one in self.quarantine)

    @contextmanager
    def noting(self, path: Path, loses: str = "") -> Iterator[None]:
        """Note an error that is met with a file as a finding."""
        try:
            yield
        except IndexDamagedError as error:
            self.findings.append(Finding(str(path), str(error), loses))
        except StoreError as error:
            self.findings.append(Finding(str(path), str(error), unreadable=True))


@dataclass(frozen=True)
class Catalogs:
    """The states of the writer's catalog, None while a writer has it, and of the published one."""

    ours: DatabaseState | None
    published: DatabaseState


def examine(path: Path) -> Examination:
    """Check every file of an index against its checksums; change nothing."""
    return look_over(IndexFolder(path))[0]


def look_over(folder: IndexFolder) -> tuple[Examination, Catalogs]:
    """Check every file of an index; return what was found, and how its catalogs are."""
    result = Examination()
    result.count_quarantine(folder)
    files = (folder.catalog, folder.published)
    looks = zip(files, look_at(files), strict=True)
    ours, published = (_state(file, seen, result) for file, seen in looks)
    catalogs = Catalogs(ours, published or _AWAY)
    newest = newest_readable(folder, catalogs)
    known = set() if newest is None else _examine_newest(folder, newest, result)
    for space in _folders_in(folder.spaces, result):
        _folders_in(space, result)
        _folders_in(space / "segments", result)
        if space.name not in known:
            _examine_unknown(SpaceFolder(space), result)
    with result.noting(folder.ledger):
        kept_ledger(folder)
    return result, catalogs


def _folders_in(path: Path, result: Examination) -> list[Path]:
    """List a folder, which `Path.glob` takes for an empty one where it cannot."""
    if not path.is_dir():
        return []
    with result.noting(path), unreadable(path):
        return sorted(Path(one) for one in os.scandir(path) if one.is_dir())
    return []


def newest_readable(folder: IndexFolder, catalogs: Catalogs) -> Path | None:
    """Return the catalog with the most commits among those that can be read, the writer's first."""
    readable = [
        (state.generation, file)
        for file, state in ((folder.catalog, catalogs.ours), (folder.published, catalogs.published))
        if state is not None and state.generation is not None
    ]
    return max(readable, key=lambda one: one[0], default=(0, None))[1]


def _state(
    file: Path, seen: Callable[[], DatabaseState], result: Examination
) -> DatabaseState | None:
    """Note how a catalog is; None where a writer has it: the published one is there to look at."""
    state = _AWAY
    with result.noting(file):
        try:
            state = seen()
        except IndexLockedError:
            return None
        if state.problem:
            raise IndexDamagedError(state.problem)
    return state


def _examine_newest(folder: IndexFolder, newest: Path, result: Examination) -> set[str]:
    """Check what the newest catalog knows of, or the published one where a writer has it by now."""
    try:
        return _examine_known(folder, newest, result)
    except IndexLockedError:
        return _examine_known(folder, folder.published, result)


def _examine_known(folder: IndexFolder, file: Path, result: Examination) -> set[str]:
    """Check what a catalog knows of; return its spaces."""
    catalog = open_catalog(file)
    try:
        rows = catalog.spaces()
        for row in rows:
            _examine_space(folder.space(row.fingerprint), row, catalog, result)
    finally:
        catalog.close()
    return {row.fingerprint for row in rows}


def _examine_space(
    space: SpaceFolder, row: SpaceRow, catalog: Catalog, result: Examination
) -> None:
    with result.noting(space.spec):
        check_spec(space, row)
    with result.noting(space.codec), unreadable(space.codec):
        if space.codec.read_bytes() != catalog.patch_codec(row.fingerprint):
            raise IndexDamagedError(f"{space.codec} differs from the catalog's copy")
    for record in catalog.segments(row.fingerprint):
        result.segments += 1
        with result.noting(segment_path(space.segments, record.id), f"{record.rows} embeddings"):
            check_segment(space, record, catalog)
    with result.noting(space.ann):
        for problem in AnnCache(space.ann).problems():
            result.findings.append(Finding(str(space.ann), problem))
    with result.noting(space.keypoints):
        for problem in KeypointCache(space.keypoints).problems():
            result.findings.append(Finding(str(space.keypoints), problem))


def check_segment(space: SpaceFolder, record: SegmentRecord, catalog: Catalog) -> None:
    """Read a segment whole; raise IndexDamagedError where it is not the one the catalog knows."""
    segment = open_segment(catalog, space, record.id)
    segment.verify()
    if [row.sha256 for row in segment.rows()] != catalog.contents_of(record.id):
        raise IndexDamagedError(
            f"{segment_path(space.segments, record.id)} holds other contents than the catalog "
            "knows in it; run dfindex doctor --repair"
        )


def _examine_unknown(space: SpaceFolder, result: Examination) -> None:
    """Note what cannot be read of a space that no catalog knows: `repair` may adopt it."""
    for path in sorted(space.path.rglob("*")):
        if not path.is_dir():
            with result.noting(path), unreadable(path):
                file_sha256(path)
