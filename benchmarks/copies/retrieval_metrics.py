"""How well scores find the right reference: average precision, recall, and their uncertainty.

All pairs of a query and a reference are pooled, as in the Image Similarity Challenge (Douze et al.
2021): one threshold serves every query, and distractor queries, which have no right reference,
only cost precision. Ties are broken against the method: a wrong pair comes before a right one of
the same score.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from indexer.types import Float32, Int64

Float64 = npt.NDArray[np.float64]
CANDIDATES = 50
PRECISION = 0.9
NO_REFERENCE = -1


@dataclass(frozen=True)
class Figures:
    """What one set of queries gave; each a share between 0 and 1."""

    micro_ap: float
    recall_at_1: float
    recall_at_50: float
    recall_at_p90: float


@dataclass(frozen=True)
class Ranking:
    """The right pairs of a score matrix, best first, and what stands before them.

    ``query`` (p,) is each right pair's query; ``rank`` (p,) its place among the references of its
    own query, from 1; ``before`` (p, q) how many wrong pairs of each query it does not beat.
    """

    query: Int64
    rank: Int64
    before: Float64

    @classmethod
    def of(cls, scores: Float32, truth: Int64) -> Ranking:
        """Rank scores (q, r); ``truth`` (q,) is the right reference or `NO_REFERENCE`."""
        if scores.ndim != 2 or truth.shape != scores.shape[:1] or not np.isfinite(scores).all():
            raise ValueError(f"expected finite scores (q, r) and truth (q,), got {scores.shape}")
        query = np.flatnonzero(truth != NO_REFERENCE)
        if not len(query):
            raise ValueError("no query has a right reference: nothing can be measured")
        right = scores[query, truth[query]]
        order = np.argsort(-right, kind="stable")
        query, right = query[order], right[order]
        before = np.stack(
            [_not_beaten(right, row, int(own)) for row, own in zip(scores, truth, strict=True)],
            axis=1,
        )
        rank = 1 + before[np.arange(len(query)), query].astype(np.int64)
        return cls(query=query, rank=rank, before=before)

    def figures(self, draws: Int64 | None = None) -> Figures:
        """Measure; ``draws`` (q,) counts each query that many times (a bootstrap sample)."""
        draws = np.ones(self.before.shape[1], dtype=np.int64) if draws is None else draws
        times = draws[self.query]
        wrong = np.repeat(self.before @ draws, times)
        rank = np.repeat(self.rank, times)
        right = np.arange(1, len(rank) + 1)
        precision = right / (right + wrong)
        precise = np.flatnonzero(precision >= PRECISION)
        return Figures(
            micro_ap=float(precision.mean()),
            recall_at_1=float((rank <= 1).mean()),
            recall_at_50=float((rank <= CANDIDATES).mean()),
            recall_at_p90=float((precise[-1] + 1) / len(rank)) if len(precise) else 0.0,
        )


def bootstrap(
    ranking: Ranking, picture: Int64, *, samples: int, rng: np.random.Generator
) -> dict[str, tuple[float, float]]:
    """Return the 95 % interval of each figure, from redrawing pictures with all their queries.

    ``picture`` (q,) says which picture a query was made from. Originals and distractors are
    redrawn apart, so that every sample has as many of each.
    """
    has_reference = np.isin(picture, picture[ranking.query])
    strata = [np.unique(picture[has_reference]), np.unique(picture[~has_reference])]
    drawn = [ranking.figures(_redraw(strata, picture, rng)) for _ in range(samples)]
    return {
        name: _interval(np.array([getattr(figures, name) for figures in drawn]))
        for name in Figures.__dataclass_fields__
    }


def _not_beaten(right: Float32, row: Float32, own: int) -> Float64:
    """Count, for each right score, the wrong scores of one query that are as high or higher."""
    wrong = np.sort(row if own == NO_REFERENCE else np.delete(row, own))
    return (len(wrong) - np.searchsorted(wrong, right, side="left")).astype(np.float64)


def _redraw(strata: list[Int64], picture: Int64, rng: np.random.Generator) -> Int64:
    counts = np.zeros(int(picture.max()) + 1, dtype=np.int64)
    for pictures in strata:
        if len(pictures):
            np.add.at(counts, rng.choice(pictures, size=len(pictures)), 1)
    return np.asarray(counts[picture])


def _interval(values: Float64) -> tuple[float, float]:
    low, high = np.percentile(values, [2.5, 97.5])
    return float(low), float(high)
