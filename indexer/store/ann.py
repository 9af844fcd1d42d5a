"""Nearest neighbours: the contract every engine keeps, and FAISS behind it.

Exact search up to `EXACT_UP_TO` vectors; above, a graph over 8-bit codes (HNSW: Malkov and
Yashunin, 2018), whose candidates the caller scores again with the stored vectors.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from indexer.disk import code_in, way_out
from indexer.errors import IndexDamagedError, StoreError
from indexer.types import Embeddings, Float32, Int64

EXACT_UP_TO = 200_000
_NONE = -1
_TIE = 2e-3  # 8-bit codes round a similarity by about this much
_HNSW_EF_CONSTRUCTION = 80
_HNSW_EF_SEARCH = 128
_BLAS_FROM_QUERIES = 20  # faiss's own default, 128,000, keeps batches from ever using BLAS


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
    """A FAISS index that knows samples by their ids."""

    def __init__(self, index: Any, kind: str) -> None:
        self._index = index
        self._kind = kind

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
        return cls(index, kind)

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
        faiss = faiss_module()
        faiss.cvar.distance_compute_blas_threshold = _BLAS_FROM_QUERIES
        selector = _selector(allowed, excluded)
        if self._kind == "flat":
            parameters = faiss.SearchParameters(sel=selector) if selector else None
        else:
            ef = max(_HNSW_EF_SEARCH, 2 * k)
            parameters = faiss.SearchParametersHNSW(efSearch=ef, sel=selector)
        scores, ids = self._index.search(np.ascontiguousarray(queries), k, params=parameters)
        scores[ids == _NONE] = -np.inf
        return scores, ids

    def save(self, path: Path) -> None:
        """See `VectorIndex.save`."""
        faiss = faiss_module()
        try:
            faiss.write_index(self._index, str(path))
        except RuntimeError as error:
            path.unlink(missing_ok=True)
            raise StoreError(
                f"could not write {path}; {way_out(code_in(str(error)), path)}"
            ) from error


def faiss_module() -> Any:
    """Import faiss when it is first needed; as Any, because its own types lack half its names."""
    return importlib.import_module("faiss")


def _selector(allowed: Int64 | None, excluded: Int64 | None) -> Any:
    faiss = faiss_module()
    if allowed is not None:
        kept = allowed if excluded is None else np.setdiff1d(allowed, excluded)
        return faiss.IDSelectorBatch(np.ascontiguousarray(kept, dtype=np.int64))
    if excluded is not None and len(excluded):
        return faiss.IDSelectorNot(faiss.IDSelectorBatch(np.ascontiguousarray(excluded)))
    return None


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
