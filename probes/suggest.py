"""Which pictures' labels would teach a probe most: those it is unsure of, and unlike each other."""

from __future__ import annotations

import numpy as np

from indexer.types import FloatArray, Int64
from probes.heads.nearest import unit_rows

POOL = 20  # candidates for each picture suggested: the most uncertain ones


def uncertainty(probabilities: FloatArray) -> FloatArray:
    """Return how unsure probabilities are (n,), 1 = cannot tell the two likeliest classes apart."""
    if probabilities.ndim == 1:
        return np.asarray(1 - np.abs(2 * probabilities - 1))
    ordered = np.sort(probabilities, axis=1)
    return np.asarray(1 - (ordered[:, -1] - ordered[:, -2]))


def suggest(X: FloatArray, probabilities: FloatArray, known: FloatArray, *, count: int) -> Int64:
    """Return positions of up to ``count`` rows of ``X`` (n, d), the most instructive first.

    One after the other the row is taken whose uncertainty times its distance to what is
    ``known`` (m, d) or taken already is largest (farthest-first traversal, Gonzalez 1985, weighed
    by uncertainty). The distance is one minus the cosine, of features centred on all rows.
    """
    unsure = uncertainty(probabilities)
    pool = np.argsort(-unsure, kind="stable")[: POOL * count]
    centre = np.vstack([X, known]).mean(axis=0)
    rows, labelled = unit_rows(X[pool] - centre), unit_rows(known - centre)
    nearest = (rows @ labelled.T).max(axis=1) if len(labelled) else np.full(len(rows), -1.0)
    chosen: list[int] = []
    for _ in range(min(count, len(pool))):
        worth = unsure[pool] * (1 - nearest)
        worth[chosen] = -np.inf
        best = int(np.argmax(worth))
        chosen.append(best)
        nearest = np.maximum(nearest, rows @ rows[best])
    return np.asarray(pool[chosen], dtype=np.int64)
