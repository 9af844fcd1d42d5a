"""The corpus in two dimensions: UMAP over the neighbours that the index finds anyway.

McInnes, Healy and Melville, "UMAP: Uniform Manifold Approximation and Projection" (2018). What is
found is kept beside the space, so that a map is drawn once; what is new since is placed among its
neighbours without drawing the map again.
"""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from indexer.errors import IndexDamagedError, StoreError
from indexer.silenced_warnings import quiet
from indexer.store.durable import keep_if_possible, replace_file, unreadable
from indexer.store.vectors.space import Space
from indexer.types import Float32, Int64

NEIGHBOURS = 15
EPOCHS = 200
SEED = 0
_FEWEST = 8  # samples that UMAP can lay out; fewer are put on a circle
_REFITTED_FROM = 0.2  # share of new samples from which the map is drawn again
_QUERIES = 4096  # vectors whose neighbours are looked for at a time
_CLUSTERS = 12
_VERSION = 1

Progress = Callable[[str, float], object]


@dataclass(frozen=True)
class Projection:
    """Where samples lie on the map.

    ``ids`` (n,) int64 rising, ``coordinates`` (n, 2) float32, ``clusters`` (n,) int64 from 0 on.
    ``neighbours`` (n, k) int64 are the ids of each sample's nearest, ``similarities`` (n, k)
    float32 their cosines, falling; the sample itself is not among them, -1 pads.
    """

    ids: Int64
    coordinates: Float32
    clusters: Int64
    neighbours: Int64
    similarities: Float32

    def __len__(self) -> int:
        return len(self.ids)


def project(space: Space, kept: Path | None = None, progress: Progress | None = None) -> Projection:
    """Return the map of a space: the kept one where it still fits, else a new one, then kept.

    Samples that are new since the map was drawn are placed among their neighbours; once they are
    more than a fifth, all is drawn again. ``progress`` is told the step and how much of it is done.
    """
    tell = progress or (lambda step, share: None)
    ids = space.ids()
    old = None if kept is None else load(kept)
    if old is not None and np.array_equal(old.ids, ids):
        return old
    found = _neighbours(space, ids, tell)
    fresh = 1.0 if old is None or not len(ids) else float(np.isin(ids, old.ids, invert=True).mean())
    if old is None or fresh > _REFITTED_FROM:
        coordinates = _laid_out(space, ids, *found, tell)
    else:
        coordinates = _placed(ids, *found, old)
    projection = Projection(ids, coordinates, _clusters(coordinates), *found)
    if kept is not None:
        keep_if_possible(lambda: save(kept, projection))
    return projection


def place(space: Space, projection: Projection, vectors: Float32) -> Float32:
    """Return where unit vectors (q, dim) would lie on the map, (q, 2), without changing it."""
    scores, ids = space.neighbours(vectors, NEIGHBOURS, allowed=projection.ids)
    return _between(projection, ids, scores)


def save(path: Path, projection: Projection) -> None:
    """Keep a map in a file."""
    header = json.dumps({"version": _VERSION, "neighbours": NEIGHBOURS, "seed": SEED})
    arrays = {name: getattr(projection, name) for name in Projection.__dataclass_fields__}
    replace_file(path, lambda file: np.savez(file, header=np.array(header), **arrays))


def load(path: Path) -> Projection | None:
    """Return a kept map, None where there is none that can be read."""
    try:
        return read(path)
    except (StoreError, OSError):
        return None  # a cache that cannot be read is no cache


def read(path: Path) -> Projection | None:
    """Return a kept map, None where another version drew it; raise IndexDamagedError."""
    with unreadable(path):
        data = path.read_bytes()
    try:
        with np.load(io.BytesIO(data), allow_pickle=False) as file:
            if json.loads(str(file["header"]))["version"] != _VERSION:
                return None
            return Projection(**{name: file[name] for name in Projection.__dataclass_fields__})
    # What zipfile and NumPy say of an archive depends on the place of the damage.
    except Exception as error:
        raise IndexDamagedError(f"{path} cannot be read; the map is drawn again") from error


def _neighbours(space: Space, ids: Int64, tell: Progress) -> tuple[Int64, Float32]:
    """Return the nearest others of each sample: ids (n, k) int64, cosines (n, k) float32."""
    k = min(NEIGHBOURS, max(0, len(ids) - 1))
    near = np.full((len(ids), k), -1, dtype=np.int64)
    cosine = np.full((len(ids), k), -1, dtype=np.float32)
    for start in range(0, len(ids) if k else 0, _QUERIES):
        rows = slice(start, min(len(ids), start + _QUERIES))
        stored = space.embeddings(ids[rows].tolist())
        scores, found = space.neighbours(stored.vectors, k + 1)
        near[rows], cosine[rows] = _others(ids[rows], found, scores, k)
        tell("neighbours", rows.stop / len(ids))
    return near, cosine


def _others(own: Int64, found: Int64, scores: Float32, k: int) -> tuple[Int64, Float32]:
    """Take each sample out of its own neighbours; where it is not among them, the last goes."""
    itself = found == own[:, None]
    itself[~itself.any(axis=1), -1] = True
    order = np.argsort(itself, axis=1, kind="stable")[:, :k]
    return np.take_along_axis(found, order, 1), np.take_along_axis(scores, order, 1)


def _laid_out(space: Space, ids: Int64, near: Int64, cosine: Float32, tell: Progress) -> Float32:
    if len(ids) < _FEWEST:
        angle = 2 * np.pi * np.arange(len(ids)) / max(1, len(ids))
        return np.column_stack([np.cos(angle), np.sin(angle)]).astype(np.float32)
    rows = np.searchsorted(ids, near)
    own = np.arange(len(ids))[:, None]
    indices = np.concatenate([own, rows], axis=1).astype(np.int32)
    distances = np.clip(1 - cosine, 0, 2)
    distances = np.concatenate([np.zeros_like(own, np.float32), distances], axis=1)
    tell("map", 0.0)
    coordinates = _umap(space.embeddings().vectors, indices, distances.astype(np.float32))
    tell("map", 1.0)
    return np.asarray(coordinates - coordinates.mean(axis=0), dtype=np.float32)


def _umap(vectors: Float32, indices: Any, distances: Float32) -> Float32:
    # It says that it has no TensorFlow, and no index of its own for new data.
    with quiet():
        from umap import UMAP

        model = UMAP(
            n_neighbors=indices.shape[1],
            n_epochs=EPOCHS,
            metric="cosine",
            init="pca",
            random_state=SEED,
            n_jobs=1,
            precomputed_knn=(indices, distances, None),
        )
        return np.asarray(model.fit_transform(vectors), dtype=np.float32)


def _placed(ids: Int64, near: Int64, cosine: Float32, old: Projection) -> Float32:
    """Return the coordinates of old samples as they were, new ones between their neighbours."""
    known = np.isin(ids, old.ids)
    coordinates = np.empty((len(ids), 2), dtype=np.float32)
    coordinates[known] = old.coordinates[np.searchsorted(old.ids, ids[known])]
    usable = np.where(np.isin(near, old.ids), near, -1)
    coordinates[~known] = _between(old, usable[~known], cosine[~known])
    return coordinates


def _between(projection: Projection, near: Int64, cosine: Float32) -> Float32:
    """Return the mean of known neighbours (q, k), each weighted by how much nearer it is."""
    rows = np.clip(np.searchsorted(projection.ids, near), 0, len(projection) - 1)
    weights = np.where(near >= 0, np.exp(10 * (cosine - cosine.max(axis=1, keepdims=True))), 0)
    total = weights.sum(axis=1, keepdims=True)
    mean = (weights[..., None] * projection.coordinates[rows]).sum(axis=1) / np.maximum(total, 1e-9)
    # One none of whose neighbours is known lies in the middle of the map.
    middle = projection.coordinates.mean(axis=0)
    return np.asarray(np.where(total > 0, mean, middle), dtype=np.float32)


def _clusters(coordinates: Float32) -> Int64:
    """Return a number for each place of the map: regions by k-means, the largest first."""
    from sklearn.cluster import MiniBatchKMeans

    count = min(_CLUSTERS, len(np.unique(coordinates, axis=0)))
    if count < 2:
        return np.zeros(len(coordinates), dtype=np.int64)
    with quiet():
        labels = MiniBatchKMeans(count, random_state=SEED, n_init=3).fit_predict(coordinates)
    sizes = np.bincount(labels, minlength=count)
    return np.asarray(np.argsort(np.argsort(-sizes, kind="stable"))[labels], dtype=np.int64)
