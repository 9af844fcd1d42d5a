"""Give a new model patch filters and positions that suit photographs before the first step."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from training.geometry import PATCH
from training.model import State, image_of
from training.photos import Pyramid

PATCHES = 20_000
POSITION_SCALE = 0.3
SPREAD = 0.3
SOFTENING = 0.25
LONGEST_WAVE = 100.0


def cut_patches(sources: Sequence[Pyramid], count: int, seed: int) -> NDArray[np.float32]:
    """Cut (count, 3 * 256) random patches, values in -1..1, channel first, from small levels."""
    rng = np.random.default_rng(seed)
    cut = np.empty((count, 3, PATCH, PATCH), np.float32)
    for row in range(count):
        levels = sources[int(rng.integers(len(sources)))]
        level = levels[min(1 + int(rng.integers(2)), len(levels) - 1)]
        top = int(rng.integers(level.shape[0] - PATCH + 1))
        left = int(rng.integers(level.shape[1] - PATCH + 1))
        cut[row] = level[top : top + PATCH, left : left + PATCH].transpose(2, 0, 1)
    return cut.reshape(count, -1) / 127.5 - 1


def principal_filters(patches: NDArray[np.float32], hidden: int) -> tuple[Tensor, Tensor]:
    """Return weights (hidden, d) and bias: principal directions, strong ones turned down.

    A direction of variance v gives values of standard deviation proportional to v ** 0.25, between
    leaving it (0.5) and whitening (0), so fine detail counts from the start.
    """
    mean = patches.mean(0)
    variance, directions = np.linalg.eigh(np.cov(patches - mean, rowvar=False))
    strongest = np.argsort(variance)[::-1][:hidden]
    kept = np.maximum(variance[strongest], 1e-6)
    gains = kept ** (SOFTENING - 0.5)
    gains *= SPREAD / np.sqrt((kept * gains**2).mean())
    weights = directions[:, strongest].T * gains[:, None]
    return torch.from_numpy(weights).float(), torch.from_numpy(-weights @ mean).float()


def wave_positions(grid: int, hidden: int) -> Tensor:
    """Return (grid * grid, hidden) sines and cosines of the row and of the column."""
    quarter = hidden // 4
    waves = LONGEST_WAVE ** (-torch.arange(quarter) / quarter)
    place = torch.arange(grid)[:, None] * waves
    along = torch.cat([place.sin(), place.cos()], 1)
    rows = along[:, None].expand(grid, grid, -1)
    columns = along[None].expand(grid, grid, -1)
    return torch.cat([rows, columns], 2).reshape(grid * grid, hidden)


def prepare(state: State, sources: Sequence[Pyramid], seed: int) -> State:
    """Return the state with principal patch filters and wave positions put in."""
    hidden = state["norm.weight"].shape[0]
    weights, bias = principal_filters(cut_patches(sources, PATCHES, seed), hidden)
    positions = state["positions"].clone()
    grid = image_of(state) // PATCH
    positions[0, 1:] = wave_positions(grid, hidden) * POSITION_SCALE
    return {**state, "patches.weight": weights, "patches.bias": bias, "positions": positions}
