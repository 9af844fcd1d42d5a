"""What a recipe reached on pictures it had not seen, as values."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from indexer.types import FloatArray, Int64
from probes.choices import Target
from probes.evaluation.leakage import Leakage
from probes.evaluation.metrics import FALSE_POSITIVE_RATES, Interval, reliability
from probes.evaluation.open_set import OpenSet


@dataclass(frozen=True, kw_only=True)
class Threshold:
    """The score that keeps to a false-positive budget, and what it then finds.

    ``ci95`` is the interval of the threshold itself.
    """

    max_fpr: float
    value: float
    ci95: Interval
    tpr: float
    fpr: float


@dataclass(frozen=True, kw_only=True)
class Row:
    """Part of the pictures against the rest: a generator, or a source."""

    name: str
    pictures: int
    auc: float | None
    ci95: Interval | None
    accuracy: float


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """What a recipe reached on pictures it had not seen.

    ``y`` and ``probabilities`` are those of ``ids``, in step, each by a detector that was chosen,
    fitted and calibrated without the picture's fold.
    """

    target: Target
    classes: tuple[str, ...]
    n_train: int
    n_test: int
    split: dict[str, Any]
    methods: tuple[str, ...]
    metrics: dict[str, float]
    ci95: dict[str, Interval]
    confusion: tuple[tuple[int, ...], ...]
    report: str
    per_generator: tuple[Row, ...]
    per_source: tuple[Row, ...]
    worst_source: str | None
    threshold: Threshold | None
    open_set: OpenSet | None
    leakage: Leakage
    ids: Int64
    y: Int64
    probabilities: FloatArray

    def to_json(self, probe: str) -> dict[str, Any]:
        """Return the figures as plain JSON values, under the names of the interface."""
        metrics, ci95 = self.metrics, self.ci95
        rates = {str(rate): metrics.get(f"tpr@{rate}") for rate in FALSE_POSITIVE_RATES}
        return {
            "probe": probe,
            "target": self.target.value,
            "n_train": self.n_train,
            "n_test": self.n_test,
            **{name: metrics.get(name) for name in ("auc", "ap", "eer")},
            "tpr_at_fpr": rates,
            **{name: metrics.get(name) for name in ("balanced_accuracy", "ece")},
            **{name: metrics.get(name) for name in ("accuracy", "macro_f1")},
            "ci95": {name: list(bounds) for name, bounds in ci95.items()},
            "confusion": {"classes": list(self.classes), "rows": [list(r) for r in self.confusion]},
            "report": self.report,
            "per_generator": {row.name: _row_json(row) for row in self.per_generator},
            "per_source": {row.name: _row_json(row) for row in self.per_source},
            "worst_source": self.worst_source,
            "threshold": None if self.threshold is None else asdict(self.threshold),
            "open_set": None if self.open_set is None else asdict(self.open_set),
            "leakage": asdict(self.leakage),
            "split": self.split,
            "methods": list(self.methods),
        }


def called(probabilities: FloatArray) -> Int64:
    """Return the class (n,) that probabilities speak for."""
    if probabilities.ndim == 1:
        return (probabilities >= 0.5).astype(np.int64)
    return np.asarray(probabilities.argmax(axis=1))


def reliability_of(evaluation: Evaluation) -> list[tuple[float, float, int]]:
    """Return what probabilities were said and what came true, by bin."""
    if evaluation.probabilities.ndim == 1:
        return reliability(evaluation.y, evaluation.probabilities)
    right = (called(evaluation.probabilities) == evaluation.y).astype(np.int64)
    return reliability(right, evaluation.probabilities.max(axis=1))


def _row_json(row: Row) -> dict[str, Any]:
    return {
        "pictures": row.pictures,
        "auc": row.auc,
        "ci95": None if row.ci95 is None else list(row.ci95),
        "accuracy": row.accuracy,
    }
