"""MesoNet (Afchar et al. 2018): Meso-4 and MesoInception-4 from their published weights.

Pictures are read at 256 x 256 with values in 0..1. The last layer's sigmoid is the probability of
a *real* face: the classes were the folders df and real, in that order.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

from indexer.types import Float32

SIZE = 256
WEIGHTS = ("Meso4_DF", "Meso4_F2F", "MesoInception_DF", "MesoInception_F2F")
EPSILON = 1e-3  # of Keras' batch normalisation
LEAK = 0.1
_BATCH = 16


class MesoNet:
    """One published detector; Keras is not needed."""

    def __init__(self, weights: Path) -> None:
        import h5py

        with h5py.File(weights) as file:
            self._layers = _read(file)
        self._inception = "Inception" in weights.name

    def encode(self, pictures: Sequence[Image.Image]) -> tuple[Float32, Float32]:
        """Return the 16 features before the last layer (n, 16), and the log-odds of fake (n,)."""
        features, odds = [], []
        for start in range(0, len(pictures), _BATCH):
            hidden, last = self._forward(_pixels(pictures[start : start + _BATCH]))
            features.append(hidden.numpy())
            odds.append(-last.numpy()[:, 0])
        return np.concatenate(features), np.concatenate(odds)

    @torch.inference_mode()
    def _forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        convolutions = self._layers["conv2d"]
        if self._inception:
            x = self._normalised(_inception(x, convolutions[0:7]), 0, 2)
            x = self._normalised(_inception(x, convolutions[7:14]), 1, 2)
            x = self._normalised(_convolved(x, convolutions[14]), 2, 2)
            x = self._normalised(_convolved(x, convolutions[15]), 3, 4)
        else:
            for number, pool in enumerate((2, 2, 2, 4)):
                x = self._normalised(_convolved(x, convolutions[number]), number, pool)
        flat = x.permute(0, 2, 3, 1).flatten(1)  # Keras keeps channels last
        (first, bias), (second, offset) = self._layers["dense"]
        hidden = F.leaky_relu(flat @ first + bias, LEAK)
        return hidden, hidden @ second + offset

    def _normalised(self, x: Tensor, number: int, pool: int) -> Tensor:
        gamma, beta, mean, variance = self._layers["batch_normalization"][number]
        x = F.batch_norm(x, mean, variance, gamma, beta, eps=EPSILON)
        # Keras pads the far side where a size is odd; these sizes never are.
        return F.max_pool2d(x, pool)


def _inception(x: Tensor, convolutions: Sequence[tuple[Tensor, ...]]) -> Tensor:
    one, *pairs = convolutions
    branches = [_convolved(x, one)]
    for dilation, (narrow, wide) in enumerate(zip(pairs[::2], pairs[1::2], strict=True), start=1):
        branches.append(_convolved(_convolved(x, narrow), wide, dilation=dilation))
    return torch.cat(branches, dim=1)


def _convolved(x: Tensor, layer: tuple[Tensor, ...], *, dilation: int = 1) -> Tensor:
    kernel, bias = layer
    return F.relu(F.conv2d(x, kernel, bias, padding="same", dilation=dilation))


def _read(file: Any) -> dict[str, list[tuple[Tensor, ...]]]:
    """Return the weights of each kind of layer in the order of their numbers."""
    names: dict[str, tuple[str, ...]] = dict.fromkeys(("conv2d", "dense"), ("kernel", "bias"))
    names["batch_normalization"] = ("gamma", "beta", "moving_mean", "moving_variance")
    layers: dict[str, list[tuple[Tensor, ...]]] = {}
    for kind, parts in names.items():
        found = sorted(
            (one for one in file if one.rpartition("_")[0] == kind),
            key=lambda one: int(one.rpartition("_")[2]),
        )
        layers[kind] = [
            tuple(_tensor(file[one][one][f"{part}:0"][()]) for part in parts) for one in found
        ]
    return layers


def _tensor(array: np.ndarray[Any, Any]) -> Tensor:
    # Keras: height, width, in, out; torch: out, in, height, width.
    return torch.from_numpy(array.transpose(3, 2, 0, 1).copy() if array.ndim == 4 else array)


def _pixels(pictures: Sequence[Image.Image]) -> Tensor:
    size = (SIZE, SIZE)
    resized = [
        np.asarray(one.convert("RGB").resize(size, Image.Resampling.BILINEAR)) for one in pictures
    ]
    return torch.from_numpy(np.stack(resized)).permute(0, 3, 1, 2).float() / 255
