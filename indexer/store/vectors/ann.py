"""Nearest neighbours: the contract every engine keeps, and FAISS behind it.

Exact search up to `EXACT_UP_TO` vectors; above, a graph over 8-bit codes (HNSW: Malkov and
Yashunin, 2018), whose candidates the caller scores again with the stored vectors. The same bound
holds for what a filter lets through: so many are scanned, whatever else there is. Where more are
let through, the graph is walked as if there were no filter, so far that enough of what is met is
let through; a query for which it is not, since all that is near it is filtered away, scans.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from indexer.disk import code_in, way_out
from indexer.errors import IndexDamagedError, StoreError
from indexer.types import Embeddings, Float32, Int64

EXACT_UP_TO = 200_000
_NONE = -1
_TIE = 2e-3  # 8-bit codes round a similarity by about this much
_HNSW_EF_CONSTRUCTION = 80
_HNSW_EF_SEARCH = 128
_WIDER = 2  # times as many as are asked for are met among those let through, before a walk ends
_SPARSE = 8  # of so many vectors one at most is wanted where each of those wanted is looked up
_STEP = 8  # vectors at least that are scanned while a walk makes a step
_BLOCK = 16_384  # vectors that are gathered at a time
_BLAS_FROM_QUERIES = 20  # faiss's own default, 128,000, keeps batches from ever using BLAS


Bools = npt.NDArray[np.bool_]


class VectorIndex(Protocol):
    """Finds the stored unit vectors of highest cosine similarity."""

    @property
    def kind(self) -> str:
        """``flat`` (exact) or the name of the approximation."""

    def __len__(self) -> int: ...

    def search(
        self,
        queries: Float32,
        k: int,
        *,
        allowed: Int64 | None = None,
        excluded: Int64 | None = None,
    ) -> tuple[Float32, Int64]:
        """Return similarities (q, k) float32, falling, and ids (q, k) int64, -1 where none is left.

        Only ids among ``allowed`` (all where None) and not among ``excluded`` are considered.
        """

    def save(self, path: Path) -> None:
        """Write the index to a file."""


class FaissIndex:
    """A FAISS index that knows samples by their ids.

    ``exact_up_to`` vectors that a filter lets through are scanned, more are found by the graph.
    """

    def __init__(self, index: Any, kind: str, *, exact_up_to: int = EXACT_UP_TO) -> None:
        self._index = index
        self._inner = faiss_module().downcast_index(index.index)
        self._kind = kind
        self._exact_up_to = exact_up_to

    @classmethod
    def build(cls, embeddings: Embeddings, *, exact_up_to: int = EXACT_UP_TO) -> FaissIndex:
        """Build an exact index, or an approximate one above ``exact_up_to`` vectors."""
        return cls.build_from(
            [embeddings],
            count=len(embeddings),
            dim=embeddings.vectors.shape[1],
            exact_up_to=exact_up_to,
        )

    @classmethod
    def build_from(
        cls, batches: Iterable[Embeddings], *, count: int, dim: int, exact_up_to: int = EXACT_UP_TO
    ) -> FaissIndex:
        """Build an index over ``count`` vectors that come in batches, holding one at a time."""
        faiss = faiss_module()
        if count <= exact_up_to:
            inner, kind = faiss.IndexFlatIP(dim), "flat"
        else:
            inner = faiss.index_factory(dim, "HNSW32,SQ8", faiss.METRIC_INNER_PRODUCT)
            inner.hnsw.efConstruction = _HNSW_EF_CONSTRUCTION
            kind = "hnsw32,sq8"
        index = faiss.IndexIDMap2(inner)
        for batch in batches:
            if not index.is_trained:
                index.train(batch.vectors)
            if len(batch):
                index.add_with_ids(batch.vectors, batch.ids)
        return cls(index, kind, exact_up_to=exact_up_to)

    @classmethod
    def load(cls, path: Path, kind: str) -> FaissIndex:
        """Read a saved index; raise IndexDamagedError where FAISS cannot."""
        faiss = faiss_module()
        try:
            return cls(faiss.read_index(str(path)), kind)
        except RuntimeError as error:
            raise IndexDamagedError(f"{path} cannot be read: {error}") from error

    @property
    def kind(self) -> str:
        """``flat`` or the name of the approximation."""
        return self._kind

    def __len__(self) -> int:
        return int(self._index.ntotal)

    def search(
        self,
        queries: Float32,
        k: int,
        *,
        allowed: Int64 | None = None,
        excluded: Int64 | None = None,
    ) -> tuple[Float32, Int64]:
        """See `VectorIndex.search`."""
        faiss_module().cvar.distance_compute_blas_threshold = _BLAS_FROM_QUERIES
        mask = self._mask(allowed, excluded)
        scores, places = self._nearest(np.ascontiguousarray(queries), k, mask)
        scores[places == _NONE] = -np.inf
        return scores, self._ids[places]

    def _nearest(self, queries: Float32, k: int, mask: Bools | None) -> tuple[Float32, Int64]:
        """Return similarities and places (q, k) of the nearest vectors in ``mask``."""
        count = len(self) if mask is None else int(mask.sum())
        reach = max(_HNSW_EF_SEARCH, _WIDER * k * len(self) // max(1, count))
        few = max(self._exact_up_to, _STEP * reach)
        if self._kind == "flat" or (mask is not None and count <= few):
            return self._scanned(queries, k, mask)
        return self._walked(queries, k, mask, reach)

    def _scanned(self, queries: Float32, k: int, mask: Bools | None) -> tuple[Float32, Int64]:
        if mask is None:
            return self._flat.search(queries, k)  # type: ignore[no-any-return]
        if len(queries) >= _BLAS_FROM_QUERIES:
            return self._multiplied(queries, k, np.flatnonzero(mask))
        faiss = faiss_module()
        bits = np.packbits(mask, bitorder="little")
        selector = faiss.IDSelectorBitmap(len(mask), faiss.swig_ptr(bits))
        with _threads(len(queries)):
            found = self._flat.search(queries, k, params=faiss.SearchParameters(sel=selector))
        return found  # type: ignore[no-any-return]

    def _multiplied(self, queries: Float32, k: int, places: Int64) -> tuple[Float32, Int64]:
        """Scan vectors for many queries, block by block, as FAISS does not with a selector."""
        best = (np.full((len(queries), k), -np.inf, np.float32), np.full((len(queries), k), _NONE))
        for start in range(0, len(places), _BLOCK):
            block = places[start : start + _BLOCK]
            best = merge([best, nearest(queries, self._vectors(block), block, k)], k)
        return best

    def _walked(
        self, queries: Float32, k: int, mask: Bools | None, reach: int
    ) -> tuple[Float32, Int64]:
        parameters = faiss_module().SearchParametersHNSW(efSearch=reach)
        if mask is None:
            return self._inner.search(queries, k, params=parameters)  # type: ignore[no-any-return]
        scores, places = self._inner.search(queries, reach, params=parameters)
        kept = (places != _NONE) & mask[places]
        met = np.where(kept, scores, np.float32(-np.inf)), np.where(kept, places, _NONE)
        scores, places = merge([met], k)
        short = kept.sum(axis=1) < k
        if short.any():
            scores[short], places[short] = self._scanned(queries[short], k, mask)
        return scores, places

    @property
    def _flat(self) -> Any:
        """What is scanned: the vectors themselves, or the codes below the graph."""
        if self._kind == "flat":
            return self._inner
        return faiss_module().downcast_index(self._inner.storage)

    def _vectors(self, places: Int64) -> Float32:
        """Return the vectors (n, dim) float32 at some places, decoded."""
        flat = self._flat
        codes = faiss_module().rev_swig_ptr(flat.codes.data(), flat.ntotal * flat.code_size)
        return np.asarray(flat.sa_decode(codes.reshape(flat.ntotal, -1)[places]), np.float32)

    @cached_property
    def _ids(self) -> Int64:
        """The id of each place (n + 1,); the last one is `_NONE`, which is also where it lies."""
        return np.append(faiss_module().vector_to_array(self._index.id_map), _NONE)

    @cached_property
    def _by_id(self) -> tuple[Int64, Int64]:
        """The ids (n,), rising, and the place of each."""
        order = np.argsort(self._ids[:-1], kind="stable")
        return self._ids[order], order

    def _mask(self, allowed: Int64 | None, excluded: Int64 | None) -> Bools | None:
        """Tell which places (n,) are to be considered, None for all of them."""
        mask = None if allowed is None else self._at(allowed)
        if excluded is not None and len(excluded):
            live = ~self._at(excluded)
            mask = live if mask is None else mask & live
        return None if mask is None or mask.all() else mask

    def _at(self, wanted: Int64) -> Bools:
        """Tell which places (n,) hold some ids."""
        if len(wanted) * _SPARSE > len(self):
            return np.isin(self._ids[:-1], wanted)
        ids, order = self._by_id
        found = np.minimum(np.searchsorted(ids, wanted), len(ids) - 1)
        mask = np.zeros(len(ids), dtype=bool)
        mask[order[found[ids[found] == wanted]]] = True
        return mask

    def save(self, path: Path) -> None:
        """See `VectorIndex.save`."""
        write_index(faiss_module().write_index, self._index, path)


def faiss_module() -> Any:
    """Import faiss when it is first needed; as Any, because its own types lack half its names."""
    return importlib.import_module("faiss")


def write_index(write: Callable[[Any, str], None], index: Any, path: Path) -> None:
    """Have FAISS write an index; raise StoreError, and leave nothing, where it cannot."""
    try:
        write(index, str(path))
    except RuntimeError as error:
        path.unlink(missing_ok=True)
        raise StoreError(f"could not write {path}; {way_out(code_in(str(error)), path)}") from error


@contextmanager
def _threads(queries: int) -> Iterator[None]:
    """Keep FAISS from waking threads for one query, which it would not share among them."""
    faiss = faiss_module()
    before = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(min(before, queries))
    try:
        yield
    finally:
        faiss.omp_set_num_threads(before)


def nearest(queries: Float32, vectors: Float32, ids: Int64, k: int) -> tuple[Float32, Int64]:
    """Return the best k of some vectors (n, dim), by exact scan; fewer columns where n is less."""
    faiss = faiss_module()
    faiss.cvar.distance_compute_blas_threshold = _BLAS_FROM_QUERIES
    k = min(k, len(ids))
    asked, by = np.ascontiguousarray(queries), faiss.METRIC_INNER_PRODUCT
    with _threads(len(queries)):
        scores, places = faiss.knn(asked, vectors, k, metric=by)
    return scores, ids[places]


def merge(parts: list[tuple[Float32, Int64]], k: int) -> tuple[Float32, Int64]:
    """Join the answers of several indexes over different vectors into the best k of each query."""
    scores = np.concatenate([part[0] for part in parts], axis=1)
    ids = np.concatenate([part[1] for part in parts], axis=1)
    order = np.argsort(-scores, axis=1, kind="stable")[:, :k]
    return np.take_along_axis(scores, order, 1), np.take_along_axis(ids, order, 1)


def recall(
    index: VectorIndex,
    batches: Callable[[], Iterable[Embeddings]],
    *,
    queries: int = 200,
    k: int = 10,
) -> float:
    """Return recall@k of ``index`` against exact search, on vectors of its own as queries.

    ``batches`` yields all its vectors, each time it is called. Ties count as found.
    """
    rng = np.random.default_rng(0)
    share = min(1.0, queries / max(1, len(index)))
    picked = np.concatenate([batch.vectors[rng.random(len(batch)) <= share] for batch in batches()])
    if not len(picked):
        return 1.0
    best: list[tuple[Float32, Int64]] = []
    for batch in batches():
        similarities = np.asarray(picked @ batch.vectors.T, dtype=np.float32)
        ids = np.broadcast_to(batch.ids, similarities.shape)
        best = [merge([*best, (similarities, ids)], k)]
    exact = best[0][0]
    found = index.search(picked, exact.shape[1])[0]
    return float((found >= exact[:, -1:] - _TIE).mean())
