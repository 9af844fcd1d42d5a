"""Metrics of a detector: what its scores are worth, with intervals over groups.

Ties are read pessimistically nowhere and optimistically nowhere: equal scores are one threshold,
and a pair of equal scores counts one half in the AUC.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.metrics import (
    auc,
    average_precision_score,
    balanced_accuracy_score,
    f1_score,
    roc_auc_score,
    roc_curve,
)

from indexer.types import FloatArray, Int64

Interval = tuple[float, float]
FALSE_POSITIVE_RATES = (0.01, 0.05)
BINS = 10
RESAMPLES = 500


@dataclass(frozen=True)
class RocCurve:
    """Shares of fakes and of real pictures at or above each threshold, from none to all."""

    false_positives: FloatArray
    true_positives: FloatArray
    thresholds: FloatArray

    @classmethod
    def of(cls, y: Int64, scores: FloatArray) -> RocCurve:
        """Trace the curve of scores (n,), higher = fake, of classes (n,), 1 = fake."""
        return cls(*roc_curve(y, scores, drop_intermediate=False))

    @property
    def area(self) -> float:
        """The area under the curve."""
        return float(auc(self.false_positives, self.true_positives))

    @property
    def equal_error_rate(self) -> float:
        """The rate at which as many real pictures are called fake as fakes are missed.

        Between two thresholds the curve is a straight line.
        """
        misses = 1 - self.true_positives
        crossed = int(np.argmax(self.false_positives >= misses))
        if crossed == 0:
            return float(misses[0])
        x0, x1 = self.false_positives[crossed - 1 : crossed + 1]
        m0, m1 = misses[crossed - 1 : crossed + 1]
        share = (m0 - x0) / ((m0 - x0) + (x1 - m1))
        return float(x0 + share * (x1 - x0))

    def true_positive_rate(self, at_most: float) -> float:
        """Return the share of fakes found with at most this share of false positives."""
        return float(self.true_positives[self.false_positives <= at_most].max())

    def threshold(self, at_most: float) -> float:
        """Return the lowest score that accuses at most this share of real pictures."""
        within = np.flatnonzero(self.false_positives <= at_most)
        return float(self.thresholds[within[-1]])


def binary_metrics(y: Int64, probabilities: FloatArray) -> dict[str, float]:
    """Return all metrics of probabilities of a fake (n,) for classes (n,), 1 = fake."""
    curve = RocCurve.of(y, probabilities)
    called = (probabilities >= 0.5).astype(np.int64)
    return {
        "auc": curve.area,
        "ap": float(average_precision_score(y, probabilities)),
        "eer": curve.equal_error_rate,
        **{f"tpr@{rate}": curve.true_positive_rate(rate) for rate in FALSE_POSITIVE_RATES},
        "balanced_accuracy": float(balanced_accuracy_score(y, called)),
        "ece": calibration_error(y, probabilities),
        "accuracy": float((called == y).mean()),
        "macro_f1": float(f1_score(y, called, average="macro", zero_division=0)),
    }


def multiclass_metrics(y: Int64, probabilities: FloatArray) -> dict[str, float]:
    """Return all metrics of probabilities (n, classes) for classes (n,).

    The AUC is the mean over classes of one against the rest; the calibration error is that of the
    chosen class's probability.
    """
    called = probabilities.argmax(axis=1)
    present = np.unique(y)
    return {
        "auc": float(np.mean([roc_auc_score(y == one, probabilities[:, one]) for one in present])),
        "ap": float(
            np.mean([average_precision_score(y == one, probabilities[:, one]) for one in present])
        ),
        "balanced_accuracy": float(np.mean([(called[y == one] == one).mean() for one in present])),
        "ece": calibration_error((called == y).astype(np.int64), probabilities.max(axis=1)),
        "accuracy": float((called == y).mean()),
        "macro_f1": float(f1_score(y, called, labels=present, average="macro", zero_division=0)),
    }


def calibration_error(y: Int64, probabilities: FloatArray, *, bins: int = BINS) -> float:
    """Return the expected calibration error over equal bins (Guo et al. 2017, equation 3)."""
    return float(
        sum(n * abs(said - seen) for said, seen, n in reliability(y, probabilities, bins=bins))
        / len(y)
    )


def reliability(
    y: Int64, probabilities: FloatArray, *, bins: int = BINS
) -> list[tuple[float, float, int]]:
    """Return for each bin that is not empty: mean probability, share of class 1, samples."""
    place = np.minimum((probabilities * bins).astype(np.int64), bins - 1)
    filled = [place == one for one in range(bins) if (place == one).any()]
    return [
        (float(probabilities[one].mean()), float(y[one].mean()), int(one.sum())) for one in filled
    ]


def bootstrap(
    metrics: Callable[[Int64], dict[str, float]],
    y: Int64,
    groups: np.ndarray[Any, Any],
    *,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> dict[str, Interval]:
    """Return the 95 % interval of each figure over resampled groups.

    ``metrics`` gets positions, with repetition. A draw in which a class is missing is drawn again.
    """
    rng = np.random.default_rng(seed)
    _, members = np.unique(groups, return_inverse=True)
    order = np.argsort(members, kind="stable")
    parts = np.split(order, np.cumsum(np.bincount(members))[:-1])
    classes = len(np.unique(y))
    drawn: list[dict[str, float]] = []
    for _ in range(20 * resamples):
        chosen = rng.integers(0, len(parts), len(parts))
        positions = np.concatenate([parts[one] for one in chosen])
        if len(np.unique(y[positions])) == classes:
            drawn.append(metrics(positions))
        if len(drawn) == resamples:
            break
    return {
        name: (
            float(np.quantile([one[name] for one in drawn], 0.025)),
            float(np.quantile([one[name] for one in drawn], 0.975)),
        )
        for name in (drawn[0] if drawn else {})
    }
