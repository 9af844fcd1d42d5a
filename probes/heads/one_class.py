"""What is far from all that was learnt: heads for real pictures alone and for open sets."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, OutlierMixin
from sklearn.utils.validation import check_is_fitted, validate_data

from indexer.types import FloatArray
from probes.heads.base import class_means
from probes.heads.nearest import shrunk_covariance


class RealOnlyHead(OutlierMixin, BaseEstimator):  # type: ignore[misc]
    """Mahalanobis distance from the training samples, their covariance shrunk.

    ``contamination`` is the share of training samples that `predict` calls outliers.
    """

    def __init__(self, contamination: float = 0.05) -> None:
        self.contamination = contamination

    def fit(self, X: Any, y: Any = None) -> RealOnlyHead:
        """Learn what real pictures look like from features (n, d); ``y`` is ignored."""
        X = validate_data(self, X, dtype=[np.float64, np.float32], ensure_min_samples=2)
        self.mean_ = X.mean(axis=0, dtype=np.float64)
        covariance, self.shrinkage_ = shrunk_covariance(X - self.mean_)
        self.precision_ = np.linalg.pinv(covariance, hermitian=True)
        self.offset_ = float(np.quantile(self._distances(X), self.contamination))
        return self

    def score_samples(self, X: Any) -> FloatArray:
        """Return minus the squared distance (n,): higher is more like the training samples."""
        check_is_fitted(self)
        X = validate_data(self, X, reset=False, dtype=[np.float64, np.float32])
        return self._distances(X)

    def decision_function(self, X: Any) -> FloatArray:
        """Return `score_samples` shifted so that outliers are below zero."""
        return self.score_samples(X) - self.offset_

    def predict(self, X: Any) -> np.ndarray[Any, Any]:
        """Return 1 for what looks like the training samples and -1 for outliers (n,)."""
        return np.where(self.decision_function(X) < 0, -1, 1)

    def _distances(self, X: FloatArray) -> FloatArray:
        centred = X - self.mean_
        return np.asarray(
            -np.einsum("nd,de,ne->n", centred, self.precision_, centred, optimize=True)
        )


class KnownClassesHead(RealOnlyHead):
    """Mahalanobis distance from the nearest of several class means, with one shrunk covariance.

    It tells what belongs to none of the classes it has seen (Lee et al. 2018, section 2).
    """

    def fit(self, X: Any, y: Any = None) -> KnownClassesHead:
        """Learn from features (n, d) and classes (n,); without classes they are one."""
        X = validate_data(self, X, dtype=[np.float64, np.float32], ensure_min_samples=2)
        names = np.zeros(len(X)) if y is None else np.asarray(y).ravel()
        _, members = np.unique(names, return_inverse=True)
        self.means_ = class_means(X.astype(np.float64), members)
        covariance, self.shrinkage_ = shrunk_covariance(X - self.means_[members])
        self.precision_ = np.linalg.pinv(covariance, hermitian=True)
        self.offset_ = float(np.quantile(self._distances(X), self.contamination))
        return self

    def _distances(self, X: FloatArray) -> FloatArray:
        far = [
            np.einsum("nd,de,ne->n", X - mean, self.precision_, X - mean, optimize=True)
            for mean in self.means_
        ]
        return np.asarray(-np.min(far, axis=0))
