"""Look over an index: check every file of it against its checksums, and change nothing."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from indexer.errors import IndexDamagedError, IndexLockedError, StoreError
from indexer.store.ann_cache import AnnCache
from indexer.store.catalog import Catalog, SpaceRow
from indexer.store.durable import read_sealed_json
from indexer.store.layout import IndexFolder
from indexer.store.opening import open_catalog
from indexer.store.presence import FilesRead
from indexer.store.segments import Segment


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong: where, what, and whether `repair` mends it without loss."""

    path: str
    problem: str
    loses: str = ""


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
    heads: list[HeadCheck] = field(default_factory=list)
    files: FilesRead | None = None

    @property
    def healthy(self) -> bool:
        """Whether nothing is wrong."""
        return not self.findings


def examine(path: Path) -> Examination:
    """Check every file of an index against its checksums; change nothing."""
    folder = IndexFolder(path)
    result = Examination()
    result.quarantined = len(list(folder.quarantine.glob("*")))
    catalog = None
    for file in (folder.published, folder.catalog):
        opened = open_whole(file, result)
        if opened is not None and catalog is None:
            catalog = opened
        elif opened is not None:
            opened.close()
    if catalog is None:
        return result
    for row in catalog.spaces():
        _examine_space(folder, row, catalog, result)
    catalog.close()
    return result


def open_whole(file: Path, result: Examination) -> Catalog | None:
    """Open a catalog and read all of it, or note in ``result`` why that cannot be done."""
    if not file.exists():
        result.findings.append(Finding(str(file), "is missing"))
        return None
    try:
        catalog = open_catalog(file)
    except IndexLockedError:
        return None  # a writer has it: its published copy is what there is to look at
    except StoreError as error:
        result.findings.append(Finding(str(file), str(error)))
        return None
    try:
        names = [name for (name,) in catalog.query("SELECT table_name FROM duckdb_tables()")]
        for name in names:
            catalog.query(f'SELECT count(*), bit_xor(hash(COLUMNS(*))) FROM "{name}"')
    except StoreError as error:
        result.findings.append(Finding(str(file), str(error)))
        catalog.close()
        return None
    return catalog


def _examine_space(
    folder: IndexFolder, row: SpaceRow, catalog: Catalog, result: Examination
) -> None:
    space = folder.space(row.fingerprint)
    try:
        read_sealed_json(space.spec)
    except IndexDamagedError as error:
        result.findings.append(Finding(str(space.spec), str(error)))
    if not space.codec.exists() or space.codec.read_bytes() != catalog.patch_codec(row.fingerprint):
        result.findings.append(Finding(str(space.codec), "differs from the catalog's copy"))
    records = catalog.segments(row.fingerprint)
    for record in records:
        result.segments += 1
        problem = segment_problem(space.segments, record.id)
        if problem:
            result.findings.append(
                Finding(f"{space.segments}/{record.id:012d}", problem, f"{record.rows} embeddings")
            )
    info = AnnCache(space.ann).newest([record.id for record in records])
    if info is not None and not AnnCache(space.ann).intact(info):
        result.findings.append(Finding(str(space.ann), "the nearest-neighbour cache is damaged"))


def segment_problem(folder: Path, segment: int) -> str:
    """Return what is wrong with a segment's files, or nothing."""
    try:
        Segment(folder, segment).verify()
    except IndexDamagedError as error:
        return str(error)
    return ""
