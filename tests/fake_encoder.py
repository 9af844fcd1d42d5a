"""The tests' encoder, whose vectors can be worked out by hand: mean colours of a 2x2 grid.

Arithmetic, for one 32x32 RGB picture cut into its top-left, top-right, bottom-left and
bottom-right quarter (16x16 pixels each):

* ``cls`` = for each quarter in that order mean(R)/255 - 0.5, mean(G)/255 - 0.5,
  mean(B)/255 - 0.5: 12 numbers, then zeros up to ``dim``;
* ``patches`` = 4 rows; row i holds the three numbers of quarter i, then zeros up to ``dim``;
* no logits, no attention. Nothing is scaled to unit length: that is the user's work.

A white picture has 0.5 in all 12 places, a black one -0.5 (cosine -1), a mid-grey (127.5) one is
the only one without direction. Mirroring swaps numbers 0-2 with 3-5 and 6-8 with 9-11.
"""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np

from indexer.encoders.registry import register
from indexer.types import EncoderSpec, Features, Layout, Preset, UInt8

NAME = "mean-colour"
SIZE = 32
PRESET = Preset(name="squash-32", size=SIZE, interpolation="bilinear")


class MeanColour:
    """An `Encoder` without torch: see the module docstring for its arithmetic."""

    def __init__(self, *, dim: int = 12, preset: Preset = PRESET) -> None:
        if dim < 12:
            raise ValueError(f"mean-colour needs dim >= 12, got {dim}")
        self.spec = EncoderSpec(
            name=NAME,
            source=f"custom:{NAME}",
            weights_sha256=hashlib.sha256(f"{NAME}-{dim}".encode()).hexdigest(),
            layout=Layout.CUSTOM,
            dim=dim,
            patch_grid=(2, 2),
            preset=preset,
            licence="MIT",
        )
        self.device = "cpu"
        self.precision = "fp32"
        self.pictures = 0  # encoded so far: lets a test see that a second build embeds nothing

    def encode(self, images: UInt8) -> Features:
        """Read images (B, size, size, 3) uint8."""
        size = self.spec.preset.size
        if images.dtype != np.uint8 or images.shape[1:] != (size, size, 3):
            raise ValueError(f"expected (B, {size}, {size}, 3) uint8, got {images.shape}")
        half = size // 2
        quarters = images[:, : 2 * half, : 2 * half].reshape(-1, 2, half, 2, half, 3)
        colours = quarters.mean(axis=(2, 4), dtype=np.float64).reshape(-1, 4, 3) / 255 - 0.5
        cls = np.zeros((len(images), self.spec.dim), np.float32)
        cls[:, :12] = colours.reshape(-1, 12)
        patches = np.zeros((len(images), 4, self.spec.dim), np.float32)
        patches[:, :, :3] = colours
        self.pictures += len(images)
        return Features(cls=cls, patches=patches)


def make(**options: Any) -> MeanColour:
    """Build the encoder as the registry does; device, precision and layer make no difference."""
    return MeanColour(dim=options.get("dim", 12))


register(NAME, make)  # importing this module is what puts the encoder behind the public door
