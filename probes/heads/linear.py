"""Linear heads: logistic regression, ridge and discriminant analysis, fitted by scikit-learn."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.linear_model import LogisticRegression, RidgeClassifier
from sklearn.metrics import balanced_accuracy_score, roc_auc_score

from indexer.types import FloatArray, Int64
from probes.heads.base import ProbeHead
from probes.splits import inner_folds

# C for features of variance one; larger = less regularised.
STRENGTHS = (0.0001, 0.001, 0.01, 0.1, 1.0)
DEFAULT_STRENGTH = 0.01  # where there are too few samples to choose
CHOSEN_ON = 4_000  # samples that a strength is chosen on, at most
ITERATIONS = 500


class LinearHead(ProbeHead):
    """A head that is a matrix: scores are ``X coef_.T + intercept_``."""

    _rotates = True  # the fit turns with its features, as any with an L2 penalty does

    def _scores(self, X: FloatArray) -> FloatArray:
        scores = X @ self.coef_.T.astype(X.dtype) + self.intercept_.astype(X.dtype)
        # Of two classes only the second has a row: the first one's score is zero.
        return np.hstack([np.zeros_like(scores), scores]) if scores.shape[1] == 1 else scores

    def _learn(self, X: FloatArray, y: Int64, groups: np.ndarray[Any, Any] | None) -> None:
        # Centred and in one common unit, so that a strength means the same in every space.
        centre = X.mean(axis=0, dtype=np.float64)
        scale = float(np.sqrt(np.mean((X - centre) ** 2))) or 1.0
        scaled, back = _without_void((X - centre) / scale, rotate=self._rotates)
        fitted = self._fit_scaled(scaled, y, groups)
        self.coef_ = np.atleast_2d(fitted.coef_) @ back / scale
        self.intercept_ = np.atleast_1d(fitted.intercept_) - self.coef_ @ centre

    def _fit_scaled(self, X: FloatArray, y: Int64, groups: np.ndarray[Any, Any] | None) -> Any:
        raise NotImplementedError


class LogisticHead(LinearHead):
    """Logistic regression; ``C`` None chooses it by folds inside the training samples."""

    def __init__(self, C: float | None = None, balanced: bool = True) -> None:
        self.C = C
        self.balanced = balanced

    def _fit_scaled(self, X: FloatArray, y: Int64, groups: np.ndarray[Any, Any] | None) -> Any:
        self.C_ = self.C or chosen_strength(self._model, X, y, groups)
        model = self._model(self.C_).fit(X, y)
        self.n_iter_ = int(np.max(model.n_iter_))
        return model

    def _model(self, strength: float) -> Any:
        # Newton's method takes few steps, but its matrix grows with the square of the classes.
        solver = "newton-cholesky" if len(self.classes_) == 2 else "lbfgs"
        weight = "balanced" if self.balanced else None
        return LogisticRegression(
            C=strength, class_weight=weight, max_iter=ITERATIONS, solver=solver
        )


class RidgeHead(LinearHead):
    """Least squares on the classes with an L2 penalty of 1/C."""

    def __init__(self, C: float | None = None, balanced: bool = True) -> None:
        self.C = C
        self.balanced = balanced

    def _fit_scaled(self, X: FloatArray, y: Int64, groups: np.ndarray[Any, Any] | None) -> Any:
        self.C_ = self.C or chosen_strength(self._model, X, y, groups)
        return self._model(self.C_).fit(X, y)

    def _model(self, strength: float) -> Any:
        weight = "balanced" if self.balanced else None
        return RidgeClassifier(alpha=1 / strength, class_weight=weight)


class DiscriminantHead(LinearHead):
    """Linear discriminant analysis with a shrunk covariance (Ledoit and Wolf 2004)."""

    _rotates = False  # its shrinkage depends on the number of features

    def _fit_scaled(self, X: FloatArray, y: Int64, groups: np.ndarray[Any, Any] | None) -> Any:
        if len(X) == len(self.classes_):
            return _between_points(X[np.argsort(y)])
        return LinearDiscriminantAnalysis(solver="lsqr", shrinkage="auto").fit(X, y)


def _without_void(X: FloatArray, *, rotate: bool) -> tuple[FloatArray, FloatArray]:
    """Return samples in the directions they span, and what turns weights back.

    Few samples span few directions; in all others the weights are zero.
    """
    if not rotate or len(X) >= X.shape[1]:
        return X, np.eye(X.shape[1])
    left, sizes, directions = np.linalg.svd(X, full_matrices=False)
    return left * sizes, directions


def _between_points(means: FloatArray) -> SimpleNamespace:
    """Return the discriminant of one sample a class, whose spread nobody knows: equal in all."""
    offsets = -0.5 * np.sum(means**2, axis=1)
    if len(means) == 2:
        means, offsets = means[1:] - means[:1], offsets[1:] - offsets[:1]
    return SimpleNamespace(coef_=means, intercept_=offsets)


def chosen_strength(
    model: Callable[[float], Any],
    X: FloatArray,
    y: Int64,
    groups: np.ndarray[Any, Any] | None,
) -> float:
    """Return the strength of the best mean score over inner folds; the smallest among equals."""
    some = _subsample(y, CHOSEN_ON)
    X, y, groups = X[some], y[some], None if groups is None else groups[some]
    folds = inner_folds(y, groups, most=3)
    if not folds:
        return DEFAULT_STRENGTH
    means = [
        np.mean([_score(model(c).fit(X[a], y[a]), X[b], y[b]) for a, b in folds]) for c in STRENGTHS
    ]
    return STRENGTHS[int(np.argmax(means))]


def _score(fitted: Any, X: FloatArray, y: Int64) -> float:
    if len(fitted.classes_) == 2:
        return float(roc_auc_score(y, fitted.decision_function(X)))
    return float(balanced_accuracy_score(y, fitted.predict(X)))


def _subsample(y: Int64, most: int) -> Int64:
    """Return at most ``most`` positions, every class by its share."""
    if len(y) <= most:
        return np.arange(len(y))
    order = np.random.default_rng(0).permutation(len(y))
    by_class = order[np.argsort(y[order], kind="stable")]
    return np.sort(by_class[np.linspace(0, len(y) - 1, most).astype(np.int64)])
