"""What every head is: a scikit-learn classifier whose fitted state is arrays and numbers."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.special import softmax
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.preprocessing import LabelEncoder
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data

from indexer.types import FloatArray, Int64


class ProbeHead(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """A classifier that learns one score for each class.

    A subclass learns in `_learn` into names ending in ``_`` and returns scores (n, classes) from
    `_scores`; probabilities are the scores' softmax. All of its fitted state is arrays, numbers
    and texts, so that `probes.storage` can keep it without pickle.
    """

    def fit(self, X: Any, y: Any, groups: Any = None) -> ProbeHead:
        """Learn from features (n, d) and classes (n,).

        Rows of one of ``groups`` (n,) stay together where a parameter is chosen by inner folds.
        """
        X, y = validate_data(self, X, y, dtype=[np.float64, np.float32])
        check_classification_targets(y)
        encoder = LabelEncoder().fit(y)
        self.classes_ = encoder.classes_
        if len(self.classes_) < 2:
            raise ValueError(
                f"expected samples of at least two classes, got only one class: {self.classes_[0]}"
            )
        groups = None if groups is None else np.asarray(groups)
        self._learn(X, encoder.transform(y).astype(np.int64), groups)
        return self

    def decision_function(self, X: Any) -> FloatArray:
        """Return scores (n, classes), or for two classes how much the second leads (n,)."""
        scores = self._checked_scores(X)
        return scores[:, 1] - scores[:, 0] if scores.shape[1] == 2 else scores

    def predict_proba(self, X: Any) -> FloatArray:
        """Return probabilities (n, classes), not calibrated."""
        return np.asarray(softmax(self._checked_scores(X), axis=1))

    def predict(self, X: Any) -> np.ndarray[Any, Any]:
        """Return the class (n,) of the highest score; the first one where scores are equal."""
        best = self._checked_scores(X).argmax(axis=1)
        return np.asarray(self.classes_[best])

    def _checked_scores(self, X: Any) -> FloatArray:
        check_is_fitted(self)
        X = validate_data(self, X, reset=False, dtype=[np.float64, np.float32])
        return self._scores(X)

    def _learn(self, X: FloatArray, y: Int64, groups: np.ndarray[Any, Any] | None) -> None:
        raise NotImplementedError

    def _scores(self, X: FloatArray) -> FloatArray:
        raise NotImplementedError


def class_means(X: FloatArray, y: Int64) -> FloatArray:
    """Return the mean (classes, d) of each class's rows."""
    return np.stack([X[y == label].mean(axis=0) for label in range(int(y.max()) + 1)])
