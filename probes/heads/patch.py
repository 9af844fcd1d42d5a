"""Heads over patch tokens, so that a local fake is found and shown."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.special import softmax
from sklearn.utils.validation import check_is_fitted, validate_data

from indexer.types import Float32, FloatArray, Int64
from probes.heads.base import ProbeHead
from probes.heads.registry import make_head

ROUNDS = 3  # of attending, then fitting again
SHARPNESS = 2.0  # attention is the softmax of this times a token's lead in standard deviations
TOP_SHARE = 0.1  # of the tokens that max pooling averages over
POOLINGS = ("attention", "max")


class PatchHead(ProbeHead):
    """A head on tokens of which only the pictures' classes are known.

    The rows of ``X`` are pictures: ``tokens`` tokens one after the other. A first head is fitted
    to the mean token of each picture; then, a few times, a next one to the tokens that the last
    one finds most unlike the first class, which is real (multiple-instance learning: Andrews et
    al. 2003, mi-SVM). ``attention`` weighs all tokens by that, ``max`` takes the highest tenth.
    """

    def __init__(self, base: str = "logistic", pooling: str = "attention", tokens: int = 1) -> None:
        self.base = base
        self.pooling = pooling
        self.tokens = tokens

    def patch_scores(self, X: Any) -> FloatArray:
        """Return scores (n, tokens, classes) of each token by itself."""
        check_is_fitted(self)
        X = validate_data(self, X, reset=False, dtype=[np.float64, np.float32])
        return self._of_tokens(self.head_, self._split(X))

    def _learn(self, X: FloatArray, y: Int64, groups: np.ndarray[Any, Any] | None) -> None:
        if self.pooling not in POOLINGS:
            raise ValueError(f"expected pooling {' or '.join(POOLINGS)}, got {self.pooling!r}")
        if X.shape[1] % self.tokens:
            raise ValueError(f"{X.shape[1]} features are not {self.tokens} tokens of one size")
        bags = self._split(X)
        self.selector_ = self._fitted(bags.mean(axis=1), y, groups)
        self.head_ = self.selector_
        for _ in range(ROUNDS if self.tokens > 1 else 0):
            self.selector_ = self.head_
            self.head_ = self._fitted(self._pooled(bags), y, groups)

    def _fitted(self, X: FloatArray, y: Int64, groups: Any) -> Any:
        return make_head(self.base).fit(X, y, groups=groups)

    def _scores(self, X: FloatArray) -> FloatArray:
        return _both(self.head_.decision_function(self._pooled(self._split(X))))

    def _pooled(self, bags: FloatArray) -> FloatArray:
        """Return one vector (n, d) of each picture's telling tokens."""
        scores = self._of_tokens(self.selector_, bags)
        lead = scores[:, :, 1:].max(axis=2) - scores[:, :, 0]
        if self.pooling == "max":
            chosen = np.argsort(-lead, axis=1, kind="stable")[:, : self._top()]
            return np.asarray(np.take_along_axis(bags, chosen[:, :, None], axis=1).mean(axis=1))
        spread = lead.std(axis=1, keepdims=True)
        weights = softmax(SHARPNESS * lead / np.where(spread > 0, spread, 1), axis=1)
        return np.asarray(np.einsum("nt,ntd->nd", weights, bags), dtype=bags.dtype)

    def _of_tokens(self, head: Any, bags: FloatArray) -> FloatArray:
        flat = bags.reshape(-1, bags.shape[2])
        return _both(head.decision_function(flat)).reshape(len(bags), bags.shape[1], -1)

    def _split(self, X: FloatArray) -> FloatArray:
        return X.reshape(len(X), self.tokens, -1)

    def _top(self) -> int:
        return max(1, round(TOP_SHARE * self.tokens))


def patch_map(head: PatchHead, tokens: Float32, grid: tuple[int, int]) -> Float32:
    """Return how much each token (rows, columns) float32 of one picture speaks for a fake.

    ``tokens`` (rows * columns, d) are as the space's codec decodes them. Zero is undecided.
    """
    scores = head.patch_scores(tokens.reshape(1, -1))[0]
    return np.asarray((scores[:, 1:].max(axis=1) - scores[:, 0]).reshape(grid), dtype=np.float32)


def _both(decision: FloatArray) -> FloatArray:
    """Return scores (n, classes) from a decision function's values."""
    if decision.ndim == 2:
        return decision
    return np.stack([np.zeros_like(decision), decision], axis=1)
