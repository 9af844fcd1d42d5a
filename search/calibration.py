"""What a score means on this corpus: how high pictures that have no copy here score."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from indexer.store.vectors.space import Space
from indexer.types import Float32

QUERIES = 400
MOST_FRAMES = 100  # of one video that may be nearer to one of them than any other file


@dataclass(frozen=True)
class NullScores:
    """Best similarities (n,) float32, rising, of corpus pictures to any *other* picture.

    They stand in for queries that have no copy in the corpus. Copies the corpus does hold make
    the highest of them too high, so a threshold taken from them errs towards silence.
    """

    maxima: Float32

    def threshold(self, max_fpr: float) -> float | None:
        """Return the score that at most a share ``max_fpr`` of queries without a copy exceeds.

        None where fewer than 1 / max_fpr queries stand behind it.
        """
        n = len(self.maxima)
        allowed = int(np.floor(max_fpr * n))
        if max_fpr <= 0 or n * max_fpr < 1:
            return None
        if allowed >= n:
            return -1.0
        return float(np.nextafter(self.maxima[n - 1 - allowed], np.float32(2)))


def null_scores(space: Space, *, queries: int = QUERIES, seed: int = 0) -> NullScores:
    """Draw samples of the space and find the nearest sample of another file of each."""
    ids = space.ids()
    rng = np.random.default_rng(seed)
    picked = np.sort(rng.choice(ids, size=min(queries, len(ids)), replace=False))
    if len(ids) < 2:
        return NullScores(np.empty(0, np.float32))
    drawn = space.embeddings(picked.tolist())
    contents = space.contents()
    scores, found = space.neighbours(drawn.vectors, 1 + min(contents.most, MOST_FRAMES))
    same = contents.of(found) == contents.of(drawn.ids)[:, None]
    best = np.where(same, -np.inf, scores).max(axis=1)
    return NullScores(np.sort(best[np.isfinite(best)]).astype(np.float32))
