"""FAISS files as a cache: named by generation, sealed, rebuilt whenever they do not fit."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from indexer.errors import IndexDamagedError, StoreError
from indexer.store.catalog.catalog import SegmentRecord
from indexer.store.durable import (
    TEMPORARY_SUFFIX,
    file_sha256,
    read_sealed_json,
    sync_file,
    trusted,
    unreadable,
    write_sealed_json,
)
from indexer.store.vectors.ann import FaissIndex, VectorIndex, recall
from indexer.types import Embeddings, Int64

_WORN_SHARE = 8  # an index is made anew where more than an eighth of it lies beside it or is dead
_KEPT = 2  # a reader that opened the generation before may still want its file


@dataclass(frozen=True, kw_only=True)
class AnnInfo:
    """What a cached index covers and how good it is."""

    generation: int
    kind: str
    rows: int
    segments: tuple[int, ...]
    recall_at_10: float
    faiss_sha256: str

    def is_worn(self, records: Sequence[SegmentRecord], dead: Int64) -> bool:
        """Tell whether so much was written or deleted since that it is worth making anew.

        What it lacks is searched beside it, so that a small build need not wait for it.
        """
        beside = sum(one.rows for one in records if one.id not in self.segments)
        return (beside + len(dead)) * _WORN_SHARE > self.rows


class AnnCache:
    """The folder of cached indexes of one space."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def write(
        self,
        generation: int,
        segments: Sequence[int],
        batches: Callable[[], Iterable[Embeddings]],
        *,
        count: int,
        dim: int,
        exact_up_to: int,
    ) -> AnnInfo:
        """Build and keep an index over the ``count`` vectors of ``segments``, in ``batches``."""
        index = FaissIndex.build_from(batches(), count=count, dim=dim, exact_up_to=exact_up_to)
        self._folder.mkdir(parents=True, exist_ok=True)
        path = self._faiss(generation)
        temporary = path.with_name(path.name + TEMPORARY_SUFFIX)
        index.save(temporary)
        sync_file(temporary)
        info = AnnInfo(
            generation=generation,
            kind=index.kind,
            rows=len(index),
            segments=tuple(segments),
            recall_at_10=1.0 if index.kind == "flat" else recall(index, batches),
            faiss_sha256=file_sha256(temporary),
        )
        temporary.replace(path)
        write_sealed_json(path.with_suffix(".json"), asdict(info))
        self._drop_old()
        return info

    def newest(self, segments: Sequence[int]) -> AnnInfo | None:
        """Return the newest cached index that covers no segment outside ``segments``."""
        current = set(segments)
        for info in self._infos():
            if current.issuperset(info.segments):
                return info
        return None

    def load(self, info: AnnInfo) -> VectorIndex:
        """Load a cached index; raise IndexDamagedError where its bytes cannot be trusted."""
        path = self._faiss(info.generation)
        try:
            if self.intact(info):
                return FaissIndex.load(path, info.kind)
        except StoreError as error:
            raise IndexDamagedError(f"{path} cannot be read: {error}") from error
        raise IndexDamagedError(f"{path} does not match its checksum")

    def intact(self, info: AnnInfo) -> bool:
        """Tell whether a cached index is there, byte for byte as it was written.

        Raise StoreError where it cannot be read.
        """
        path = self._faiss(info.generation)
        try:
            with unreadable(path):
                return file_sha256(path) == info.faiss_sha256
        except IndexDamagedError:
            return False  # it is missing

    def drop(self) -> None:
        """Delete every cached index."""
        for path in self._folder.glob("*"):
            path.unlink()

    def problems(self) -> list[str]:
        """Return what is wrong with any cached index."""
        found = []
        for path in sorted(self._folder.glob("*.json")):
            try:
                if not self.intact(_info(path)):
                    found.append(f"{path.with_suffix('.faiss')} does not match its checksum")
            except IndexDamagedError as error:
                found.append(str(error))
        return found

    def _infos(self) -> list[AnnInfo]:
        return trusted(sorted(self._folder.glob("*.json"), reverse=True), _info)

    def _drop_old(self) -> None:
        for path in sorted(self._folder.glob("*.json"), reverse=True)[_KEPT:]:
            path.with_suffix(".faiss").unlink(missing_ok=True)
            path.unlink()

    def _faiss(self, generation: int) -> Path:
        return self._folder / f"{generation:012d}.faiss"


def _info(path: Path) -> AnnInfo:
    value = read_sealed_json(path)
    try:
        return AnnInfo(**{**value, "segments": tuple(value["segments"])})
    except (TypeError, KeyError) as error:
        raise IndexDamagedError(f"{path} does not describe a nearest-neighbour index") from error
