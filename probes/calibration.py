"""From scores to probabilities: Platt's sigmoid or an isotonic staircase."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import expit, logit, softmax
from sklearn.isotonic import IsotonicRegression
from sklearn.linear_model import LogisticRegression

from indexer.types import FloatArray, Int64
from probes.choices import Calibration


@dataclass(frozen=True)
class Calibrator:
    """A map from scores to the probability of class 1, by ``kind``.

    Platt's is ``expit(points[0] * score + points[1])``; the isotonic one is linear between the
    scores ``points`` with the probabilities ``values``; none is the plain sigmoid. For several
    classes ``points`` holds one factor by which all scores are sharpened before the softmax.
    """

    kind: Calibration
    points: FloatArray
    values: FloatArray

    @classmethod
    def fit(cls, kind: Calibration, scores: FloatArray, y: Int64) -> Calibrator:
        """Fit to scores of samples that the head has not seen: (n,), or (n, classes)."""
        if kind is Calibration.NONE:
            return NOT_CALIBRATED
        if scores.ndim == 2:
            return cls(Calibration.PLATT, np.array([_temperature(scores, y)]), _NOTHING)
        if kind is Calibration.PLATT:
            return cls(kind, _platt(scores, y), _NOTHING)
        fitted = IsotonicRegression(y_min=0, y_max=1, out_of_bounds="clip").fit(scores, y)
        return cls(kind, fitted.X_thresholds_, fitted.y_thresholds_)

    def __call__(self, scores: FloatArray) -> FloatArray:
        """Return probabilities of class 1 (n,), or of each class (n, classes)."""
        if scores.ndim == 2:
            factor = 1.0 if self.kind is Calibration.NONE else float(self.points[0])
            return np.asarray(softmax(factor * scores.astype(np.float64), axis=1))
        if self.kind is Calibration.NONE:
            return np.asarray(expit(scores.astype(np.float64)))
        if self.kind is Calibration.PLATT:
            return np.asarray(expit(self.points[0] * scores.astype(np.float64) + self.points[1]))
        return np.interp(scores, self.points, self.values)

    def to_json(self) -> dict[str, Any]:
        """Return the map as plain JSON values, exactly."""
        return {
            "kind": self.kind.value,
            "points": self.points.tolist(),
            "values": self.values.tolist(),
        }

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> Calibrator:
        """Read `to_json`'s output."""
        return cls(
            Calibration(value["kind"]),
            np.array(value["points"], dtype=np.float64),
            np.array(value["values"], dtype=np.float64),
        )


_NOTHING = np.zeros(0)
NOT_CALIBRATED = Calibrator(Calibration.NONE, _NOTHING, _NOTHING)


def _platt(scores: FloatArray, y: Int64) -> FloatArray:
    """Return slope and offset (Platt 1999), with his smoothed targets against certainty.

    A target t is a sample of class 1 with weight t and one of class 0 with weight 1 - t.
    """
    positives, negatives = int(y.sum()), int((1 - y).sum())
    targets = np.where(y == 1, (positives + 1) / (positives + 2), 1 / (negatives + 2))
    scale = float(np.std(scores)) or 1.0
    column = (scores.astype(np.float64) / scale)[:, None]
    model = LogisticRegression(C=1e6, max_iter=1000).fit(
        np.vstack([column, column]),
        np.repeat([1, 0], len(y)),
        sample_weight=np.concatenate([targets, 1 - targets]),
    )
    # Never turn the head's order round: where it is no better than chance, say the base rate.
    slope = float(model.coef_[0, 0]) / scale
    if slope <= 0:
        return np.array([0.0, float(logit((positives + 1) / (len(y) + 2)))])
    return np.array([slope, float(model.intercept_[0])])


def _temperature(scores: FloatArray, y: Int64) -> float:
    """Return the factor of the highest likelihood (Guo et al. 2017, temperature scaling)."""
    factors = np.logspace(-3, 3, 121)
    rows = np.arange(len(y))
    losses = [-np.log(softmax(f * scores, axis=1)[rows, y] + 1e-12).mean() for f in factors]
    return float(factors[int(np.argmin(losses))])
