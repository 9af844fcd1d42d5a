"""All heads by name."""

from __future__ import annotations

from typing import Any

from indexer.errors import UsageError
from probes.choices import METHODS, REAL_ONLY
from probes.heads.fewshot import CacheHead, PrototypeHead
from probes.heads.linear import DiscriminantHead, LogisticHead, RidgeHead
from probes.heads.nearest import MahalanobisHead, NearestMeanHead, NeighboursHead
from probes.heads.one_class import RealOnlyHead

HEADS: dict[str, type[Any]] = {
    "prototypes": PrototypeHead,
    "nearest-mean": NearestMeanHead,
    "mahalanobis": MahalanobisHead,
    "lda": DiscriminantHead,
    "ridge": RidgeHead,
    "logistic": LogisticHead,
    "cache": CacheHead,
    "knn": NeighboursHead,
}


def make_head(method: str, **parameters: Any) -> Any:
    """Return a new head; raise UsageError for an unknown method."""
    heads = {**HEADS, REAL_ONLY: RealOnlyHead}
    if method not in heads:
        raise UsageError(f"expected one of the methods {', '.join(METHODS)}, got {method!r}")
    return heads[method](**parameters)
