"""Read one space of an index: its vectors, its patch tokens, its nearest neighbours."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from indexer.errors import IndexDamagedError, SpaceMismatchError
from indexer.store.catalog.catalog import Catalog, Located, SpaceRow
from indexer.store.durable import read_sealed_json
from indexer.store.folder import SpaceFolder
from indexer.store.vectors.ann import FaissIndex, VectorIndex, merge, nearest
from indexer.store.vectors.ann_cache import AnnCache, AnnInfo
from indexer.store.vectors.keypoint_cache import KeypointCache
from indexer.store.vectors.keypoint_index import KeypointIndex
from indexer.store.vectors.keypoint_lists import KeypointLists
from indexer.store.vectors.patch_codec import PatchCodec
from indexer.store.vectors.segments import Segment, segment_path
from indexer.types import Embeddings, EncoderSpec, Float32, Int64, UInt8

_FEW, _FEW_SHARE = 512, 64  # samples, or one of so many, are sooner read than picked out of all
_RESCORED = 4  # candidates an approximate index returns for each neighbour asked for
_RESCORED_AMONG = 10  # and with a filter, where all that is allowed may be about as far


@dataclass(frozen=True)
class Contents:
    """Samples (n,), rising, and a number (n,) for the file each of them is of."""

    ids: Int64
    files: Int64

    @property
    def most(self) -> int:
        """How many samples one file has at most."""
        return int(np.unique(self.files, return_counts=True)[1].max(initial=0))

    def of(self, ids: Int64) -> Int64:
        """Return the files' numbers of some samples, of any shape; -1 for none."""
        if not len(self.ids):
            return np.full(ids.shape, -1, dtype=np.int64)
        places = np.minimum(np.searchsorted(self.ids, ids), len(self.ids) - 1)
        return np.where(self.ids[places] == ids, self.files[places], -1)


class Space:
    """All embeddings made by one encoder, as of the catalog's generation."""

    def __init__(self, catalog: Catalog, row: SpaceRow, folder: SpaceFolder) -> None:
        self._catalog = catalog
        self._folder = folder
        self._segments: dict[int, Segment] = {}
        self._vectors: dict[int, Float32] = {}
        self.row = row
        check_spec(folder, row)

    def check(self, spec: EncoderSpec) -> None:
        """Raise SpaceMismatchError unless ``spec`` made this space."""
        if spec.fingerprint != self.row.fingerprint:
            raise SpaceMismatchError(
                f"the space {self.row.name!r} was made by {self.row.encoder.name} "
                f"(fingerprint {self.row.fingerprint}), these vectors by {spec.name} "
                f"({spec.fingerprint}); name the space with --space, or build one with "
                f"dfindex build --encoder {spec.name}"
            )

    def ids(self) -> Int64:
        """Return the ids (n,) int64 of all live samples, rising."""
        return self._live.ids

    def contents(self) -> Contents:
        """Return which live samples are of the same file."""
        ids, files = self._catalog.columns(
            """
            SELECT id, dense_rank() OVER (ORDER BY sha256) FROM samples
            WHERE id NOT IN (SELECT sample_id FROM tombstones) ORDER BY id
            """
        )
        return Contents(ids, files)

    def embeddings(self, ids: Iterable[int] | None = None) -> Embeddings:
        """Return the unit vectors of all live samples, or of some, in the order of their ids."""
        located = self._live if ids is None else self._live.of(ids)
        return Embeddings(located.ids, self._read_vectors(located))

    def batches(self) -> Iterator[Embeddings]:
        """Yield the unit vectors of all live samples, segment by segment, keeping none."""
        for segment in self._segment_ids:
            reader = open_segment(self._catalog, self._folder, segment)
            ids, vectors = reader.ids(), reader.vectors()
            live = ~np.isin(ids, self._dead)
            yield Embeddings(ids[live], vectors[live])

    def patches(self, ids: Sequence[int]) -> Float32:
        """Return the projected patch tokens (n, tokens, d) float32 of samples, in that order.

        Raise KeyError for an id that is not live in this space.
        """
        located = self._live.of(ids)
        tokens: dict[int, Float32] = {}
        for segment in np.unique(located.segments):
            mine = located.segments == segment
            rows = self._segment(int(segment)).patch_rows(located.rows[mine].tolist())
            tokens.update(zip(located.ids[mine].tolist(), self.codec.decode(rows), strict=True))
        return np.stack([tokens[int(one)] for one in ids])

    def keypoint_rows(self, ids: Int64 | None = None) -> Iterator[tuple[Int64, UInt8]]:
        """Yield ids (n,) and rows of `Keypoints` (n, bytes) of live samples, by segment.

        Those of ``ids``, or of all.
        """
        located = self._live if ids is None else self._live.of(ids)
        order = np.argsort(located.segments, kind="stable")
        numbers, firsts = np.unique(located.segments[order], return_index=True)
        for number, places in zip(numbers.tolist(), np.split(order, firsts[1:]), strict=False):
            segment = open_segment(self._catalog, self._folder, number)
            rows = segment.keypoint_rows(located.rows[places].tolist())
            if rows is not None:
                yield located.ids[places], rows

    def take_over(self, other: Space) -> None:
        """Take what another generation read into memory, where it has the same samples."""
        same = self.row.fingerprint == other.row.fingerprint
        same = same and self._segment_ids == other._segment_ids
        if same and np.array_equal(self._dead, other._dead) and "keypoints" in vars(other):
            vars(self)["keypoints"] = other.keypoints

    @cached_property
    def keypoints(self) -> KeypointIndex:
        """The keypoints of all live samples: lists on disk, and what is newer, read once asked."""
        live = self._live.ids
        parts = KeypointCache(self._folder.keypoints).parts(live)
        held = np.concatenate([np.empty(0, np.int64), *(one.ids for one in parts)])
        newer = np.setdiff1d(live, held, assume_unique=True)
        return KeypointIndex([*parts, KeypointLists.build(self.keypoint_rows(newer))], live)

    @cached_property
    def codec(self) -> PatchCodec:
        """The patch compression of this space."""
        return PatchCodec.from_bytes(self._catalog.patch_codec(self.row.fingerprint))

    def neighbours(
        self, queries: Float32, k: int, *, allowed: Int64 | None = None
    ) -> tuple[Float32, Int64]:
        """Return similarities (q, k') float32, falling, and ids (q, k') int64 of live samples.

        k' is k, or less where fewer samples are there; ``allowed`` restricts to some ids before
        the nearest are chosen.
        """
        if queries.ndim != 2 or queries.shape[1] != self.row.dim:
            raise SpaceMismatchError(
                f"the space {self.row.name!r} holds vectors of {self.row.dim} dimensions, "
                f"the query has {queries.shape}"
            )
        available = self.row.samples if allowed is None else min(len(allowed), self.row.samples)
        k = min(k, available)
        if k == 0:
            return np.empty((len(queries), 0), np.float32), np.empty((len(queries), 0), np.int64)
        if allowed is not None and len(allowed) <= max(_FEW, self.row.samples // _FEW_SHARE):
            return self._among_few(queries, k, allowed)
        approximate = any(index.kind != "flat" for index in self._indexes)
        rescored = _RESCORED if allowed is None else _RESCORED_AMONG
        asked = k * rescored if approximate else k
        parts = [
            index.search(queries, asked, allowed=allowed, excluded=self._dead)
            for index in self._indexes
        ]
        scores, ids = merge(parts, asked)
        if approximate:
            scores, ids = self._rescore(queries, ids, k)
        return _without_padding(scores[:, :k], ids[:, :k])

    def _among_few(self, queries: Float32, k: int, allowed: Int64) -> tuple[Float32, Int64]:
        located = self._live.of(allowed)
        if not len(located.ids):
            return np.empty((len(queries), 0), np.float32), np.empty((len(queries), 0), np.int64)
        return nearest(queries, self._read_vectors(located), located.ids, k)

    @property
    def ann(self) -> AnnInfo | None:
        """What the cached index covers, or None where there is none that fits."""
        return self._cache.newest(self._segment_ids)

    @cached_property
    def _cache(self) -> AnnCache:
        return AnnCache(self._folder.ann)

    @cached_property
    def _live(self) -> Located:
        return self._catalog.locate(self.row.fingerprint)

    @cached_property
    def _segment_ids(self) -> list[int]:
        return [record.id for record in self._catalog.segments(self.row.fingerprint)]

    @cached_property
    def _dead(self) -> Int64:
        return self._catalog.tombstones()

    @cached_property
    def _indexes(self) -> list[VectorIndex]:
        """The cached index, and an exact one over the segments it does not cover."""
        info = self.ann
        indexes: list[VectorIndex] = []
        covered: set[int] = set()
        if info is not None:
            try:
                indexes.append(self._cache.load(info))
                covered = set(info.segments)
            except IndexDamagedError:
                covered = set()  # the segments are the truth: search them instead
        rest = [segment for segment in self._segment_ids if segment not in covered]
        if rest or not indexes:
            indexes.append(FaissIndex.build(self._of_segments(rest), exact_up_to=2**62))
        return indexes

    def _of_segments(self, segments: Sequence[int]) -> Embeddings:
        ids = [self._segment(one).ids() for one in segments]
        vectors = [self._segment(one).vectors() for one in segments]
        if not segments:
            return Embeddings(np.empty(0, np.int64), np.empty((0, self.row.dim), np.float32))
        return Embeddings(np.concatenate(ids), np.concatenate(vectors))

    def _rescore(self, queries: Float32, ids: Int64, k: int) -> tuple[Float32, Int64]:
        """Replace approximate similarities by those of the stored vectors."""
        known = self.embeddings(ids[ids >= 0].tolist())
        positions = np.searchsorted(known.ids, ids)
        positions = np.minimum(positions, len(known.ids) - 1)
        exact = np.einsum("qd,qkd->qk", queries, known.vectors[positions])
        scores = np.where(known.ids[positions] == ids, exact, -np.inf).astype(np.float32)
        return merge([(scores, ids)], k)

    def _read_vectors(self, located: Located) -> Float32:
        vectors = np.empty((len(located.ids), self.row.dim), dtype=np.float32)
        if not len(vectors):
            return vectors
        order = np.argsort(located.segments, kind="stable")
        segments, firsts = np.unique(located.segments[order], return_index=True)
        rows = np.split(located.rows[order], firsts[1:])
        for segment, first, wanted in zip(segments.tolist(), firsts, rows, strict=True):
            if segment not in self._vectors:
                self._vectors[segment] = self._segment(segment).vectors()
            taken = vectors[first : first + len(wanted)]
            np.take(self._vectors[segment], wanted, axis=0, out=taken, mode="clip")
        return vectors if (np.diff(order) == 1).all() else vectors[np.argsort(order)]

    def _segment(self, segment: int) -> Segment:
        if segment not in self._segments:
            self._segments[segment] = open_segment(self._catalog, self._folder, segment)
        return self._segments[segment]


def open_segment(catalog: Catalog, folder: SpaceFolder, number: int) -> Segment:
    """Open a segment; raise IndexDamagedError unless it holds the samples the catalog knows."""
    segment = Segment(folder.segments, number)
    if not np.array_equal(segment.ids(), catalog.ids_in(number)):
        raise IndexDamagedError(
            f"{segment_path(folder.segments, number)} holds other samples than the catalog knows "
            "in it; run dfindex doctor --repair"
        )
    return segment


def check_spec(folder: SpaceFolder, row: SpaceRow) -> None:
    """Raise IndexDamagedError unless a space's folder describes the encoder of the catalog."""
    value = read_sealed_json(folder.spec)
    if EncoderSpec.from_json(value["encoder"]).fingerprint != row.fingerprint:
        raise IndexDamagedError(
            f"{folder.spec} describes another encoder than the catalog does; "
            "run dfindex doctor --repair"
        )


def _without_padding(scores: Float32, ids: Int64) -> tuple[Float32, Int64]:
    """Cut the columns that are padding for every query."""
    filled = int((ids >= 0).sum(axis=1).max(initial=0))
    return scores[:, :filled], ids[:, :filled]
