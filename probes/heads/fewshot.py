"""Heads for a handful of examples: prototypes and a cache of examples."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.special import logsumexp

from indexer.types import FloatArray, Int64
from probes.heads.base import ProbeHead, class_means
from probes.heads.nearest import unit_rows


class PrototypeHead(ProbeHead):
    """The nearest class mean in squared Euclidean distance (Snell et al. 2017, equation 2).

    Distances are measured in units of the mean squared distance of the training samples from
    their prototype's centre, so that probabilities do not depend on the features' scale.
    """

    def _learn(self, X: FloatArray, y: Int64, groups: np.ndarray[Any, Any] | None) -> None:
        self.prototypes_ = class_means(X, y)
        centre = self.prototypes_.mean(axis=0)
        spread = float(np.mean(np.sum((X - centre) ** 2, axis=1)))
        self.scale_ = spread if spread > 0 else 1.0

    def _scores(self, X: FloatArray) -> FloatArray:
        # -|x - p|² without |x|², which all classes share
        prototypes = self.prototypes_.astype(X.dtype)
        scores = 2 * X @ prototypes.T - np.sum(prototypes**2, axis=1)
        return np.asarray(scores / self.scale_)


class CacheHead(ProbeHead):
    """Every example votes for its class by its affinity ``exp(-beta (1 - cosine))``.

    The training-free cache model of Tip-Adapter (Zhang et al. 2022, equation 3), with the mean
    affinity of a class in place of the sum, so that a larger class has no larger vote. Features
    are centred on the training mean first: raw class tokens share most of their direction.
    """

    def __init__(self, beta: float = 5.5) -> None:
        self.beta = beta

    def _learn(self, X: FloatArray, y: Int64, groups: np.ndarray[Any, Any] | None) -> None:
        self.centre_ = class_means(X, y).mean(axis=0)
        self.keys_ = unit_rows(X - self.centre_)
        self.members_ = y

    def _scores(self, X: FloatArray) -> FloatArray:
        cosines = unit_rows(X - self.centre_.astype(X.dtype)) @ self.keys_.T.astype(X.dtype)
        logs = -self.beta * (1 - cosines)
        means = []
        for label in range(len(self.classes_)):
            of_class = logs[:, self.members_ == label]
            means.append(logsumexp(of_class, axis=1) - np.log(of_class.shape[1]))
        return np.stack(means, axis=1)
