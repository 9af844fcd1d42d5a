"""Nearest neighbours: the contract every engine keeps, and FAISS behind it.

Exact search up to `EXACT_UP_TO` vectors; above, a graph over 8-bit codes (HNSW: Malkov and
Yashunin, 2018), whose candidates the caller scores again with the stored vectors.
"""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from indexer.errors import IndexDamagedError
from indexer.types import Embeddings, Float32, Int64

EXACT_UP_TO = 200_000
_NONE = -1
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
        faiss = _faiss()
        dim = embeddings.vectors.shape[1]
        if len(embeddings) <= exact_up_to:
            inner, kind = faiss.IndexFlatIP(dim), "flat"
        else:
            inner = faiss.index_factory(dim, "HNSW32,SQ8", faiss.METRIC_INNER_PRODUCT)
            inner.hnsw.efConstruction = _HNSW_EF_CONSTRUCTION
            kind = "hnsw32,sq8"
            inner.train(embeddings.vectors)
        index = faiss.IndexIDMap2(inner)
        if len(embeddings):
            index.add_with_ids(embeddings.vectors, embeddings.ids)
        return cls(index, kind)

    @classmethod
    def load(cls, path: Path, kind: str) -> FaissIndex:
        """Read a saved index; raise IndexDamagedError where FAISS cannot."""
        faiss = _faiss()
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
        faiss = _faiss()
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
        faiss = _faiss()
        faiss.write_index(self._index, str(path))


def _faiss() -> Any:
    """Import faiss when it is first needed; as Any, because its own types lack half its names."""
    return importlib.import_module("faiss")


def _selector(allowed: Int64 | None, excluded: Int64 | None) -> Any:
    faiss = _faiss()
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


def recall(index: VectorIndex, embeddings: Embeddings, *, queries: int = 200, k: int = 10) -> float:
    """Return recall@k of ``index`` against exact search, on vectors of its own as queries."""
    rng = np.random.default_rng(0)
    picked = embeddings.vectors[
        rng.choice(len(embeddings), size=min(queries, len(embeddings)), replace=False)
    ]
    _, found = index.search(picked, k)
    similarities = picked @ embeddings.vectors.T
    k = min(k, len(embeddings))
    worst = np.partition(similarities, -k, axis=1)[:, -k]
    positions = {int(one): row for row, one in enumerate(embeddings.ids)}
    hits = 0
    for row, ids in enumerate(found[:, :k]):
        got = [positions[int(one)] for one in ids if one != _NONE]
        hits += int((similarities[row, got] >= worst[row] - 1e-6).sum())
    return hits / (len(picked) * k) if len(picked) else 1.0
