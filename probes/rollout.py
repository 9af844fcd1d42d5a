"""Attention rollout: follow the attention of all blocks back to the patches.

Both are products of one matrix a block, of which only the class token's row is wanted: it is
carried from the last block down to the first, so that nothing larger than a vector is made.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from indexer.types import Float32


def rollout(maps: Float32, *, prefix: int) -> Float32:
    """Return how much of each patch reaches the class token: (patches,) float32, sum <= 1.

    ``maps`` (blocks, T, T) are attention averaged over heads. Each block passes on half of itself
    by its residual connection and half by attention, and its rows are normalised to sum to one:
    rollout = A_n ... A_1 with A = rows of 0.5 W + 0.5 I (Abnar & Zuidema 2020, section 3). What
    reached the class token from itself and from register tokens is left out.
    """
    row = _read_from(maps, prefix)
    for block in maps[::-1]:
        share = row / (0.5 * block.sum(axis=1, dtype=np.float64) + 0.5)
        row = 0.5 * share @ block + 0.5 * share
    return row[prefix:].astype(np.float32)


def gradient_rollout(maps: Float32, *, prefix: int) -> Float32:
    """Return each patch's relevance for the score that ``maps`` were weighted for: (patches,).

    ``maps`` (blocks, T, T) are the positive parts of gradient times attention. Relevance starts
    as the identity and each block adds its own: R <- R + A R (Chefer, Gur & Wolf 2021,
    equation 6).
    """
    row = _read_from(maps, prefix)
    for block in maps[::-1]:
        row = row + row @ block
    return row[prefix:].astype(np.float32)


def _read_from(maps: Float32, prefix: int) -> npt.NDArray[np.float64]:
    """Return which tokens the encoder reads in the end: the class token, or all without one."""
    tokens = maps.shape[1]
    if not prefix:
        return np.full(tokens, 1 / tokens)
    row = np.zeros(tokens)
    row[0] = 1.0
    return row
