"""The one way a picture becomes a vector: shaped by the encoder's preset, read, made a unit."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PIL import Image

from indexer.preprocess import prepare
from indexer.types import Encoder, Features, Float32, UInt8, unit


def embed(images: Sequence[Image.Image], encoder: Encoder) -> Float32:
    """Return the unit vectors (n, D) of upright RGB pictures.

    They are those of the index where a picture was decoded with `indexer.preprocess.needed` pixels:
    at another scale a picture's vector is a slightly other one.
    """
    return read(images, encoder)[1]


def read(images: Sequence[Image.Image], encoder: Encoder) -> tuple[Features, Float32]:
    """Return what an encoder reads from pictures, and their unit vectors (n, D)."""
    preset = encoder.spec.preset
    return read_prepared(np.stack([prepare(image, preset) for image in images]), encoder)


def read_prepared(pixels: UInt8, encoder: Encoder) -> tuple[Features, Float32]:
    """Do the same for pictures (n, size, size, 3) that were shaped by the encoder's preset."""
    features = encoder.encode(pixels)
    return features, unit(features.cls)
