"""Heads that compare with what they have seen: class means and neighbours."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.covariance import ledoit_wolf
from sklearn.neighbors import NearestNeighbors

from indexer.types import FloatArray, Int64
from probes.heads.base import ProbeHead, class_means

MOST_NEIGHBOURS = 15
COSINE_SHARPNESS = 10.0  # what a cosine is multiplied by before the softmax


class NearestMeanHead(ProbeHead):
    """The class whose mean has the highest cosine; each class weighs the same."""

    def _learn(self, X: FloatArray, y: Int64, groups: np.ndarray[Any, Any] | None) -> None:
        self.means_ = unit_rows(class_means(unit_rows(X), y))

    def _scores(self, X: FloatArray) -> FloatArray:
        return np.asarray(COSINE_SHARPNESS * (unit_rows(X) @ self.means_.T.astype(X.dtype)))


class MahalanobisHead(ProbeHead):
    """The class whose mean is nearest in the metric of the shrunk within-class covariance.

    Discriminant analysis with equal priors: what is rare among the training samples is not
    held to be rare elsewhere.
    """

    def _learn(self, X: FloatArray, y: Int64, groups: np.ndarray[Any, Any] | None) -> None:
        self.means_ = class_means(X, y).astype(np.float64)
        covariance, self.shrinkage_ = shrunk_covariance(X - self.means_[y])
        self.precision_ = np.linalg.pinv(covariance, hermitian=True)

    def _scores(self, X: FloatArray) -> FloatArray:
        # -d²/2 without the term all classes share: m'Px - m'Pm/2
        weighted = self.means_ @ self.precision_
        return np.asarray(X @ weighted.T - 0.5 * (weighted * self.means_).sum(axis=1))


class NeighboursHead(ProbeHead):
    """The share of each class among the ``k`` samples of the highest cosine.

    Classes weigh the same however many samples they have: a neighbour counts one over the size
    of its class. ``k`` is by default `MOST_NEIGHBOURS`, or the size of the smallest class where
    that is less: among all samples of a balanced set every query would get the same answer.
    """

    def __init__(self, k: int | None = None) -> None:
        self.k = k

    def _learn(self, X: FloatArray, y: Int64, groups: np.ndarray[Any, Any] | None) -> None:
        self.keys_ = unit_rows(X)
        self.members_ = y
        sizes = np.bincount(y)
        self.weights_ = 1 / sizes.astype(np.float64)
        self.k_ = min(MOST_NEIGHBOURS, int(sizes.min())) if self.k is None else min(self.k, len(y))

    def _scores(self, X: FloatArray) -> FloatArray:
        finder = NearestNeighbors(n_neighbors=self.k_, algorithm="brute").fit(self.keys_)
        near = self.members_[finder.kneighbors(unit_rows(X), return_distance=False)]
        votes = np.stack([(near == c).sum(axis=1) * w for c, w in enumerate(self.weights_)], axis=1)
        shares = votes / votes.sum(axis=1, keepdims=True)
        return np.asarray(np.log(np.clip(shares, 1e-6, None)))


def unit_rows(X: FloatArray) -> FloatArray:
    """Scale rows (n, d) to unit length, keeping their precision; a zero row stays zero."""
    norms = np.linalg.norm(X, axis=1, keepdims=True)
    return np.asarray(X / np.where(norms > 0, norms, 1))


def shrunk_covariance(centred: FloatArray) -> tuple[FloatArray, float]:
    """Return the covariance (d, d) of centred rows, shrunk (Ledoit and Wolf 2004), and how much.

    A zero covariance becomes the identity.
    """
    covariance, shrinkage = ledoit_wolf(centred.astype(np.float64), assume_centered=True)
    if not np.trace(covariance) > 0:
        covariance = np.eye(centred.shape[1])
    return np.asarray(covariance), float(shrinkage)
