"""What the probe benchmark's heads are fitted to: the encoder's features, and the baselines'."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from benchmarks.copies.methods import opened
from benchmarks.probes.mesonet import WEIGHTS, MesoNet
from indexer.extract import read
from indexer.types import Encoder, Float32

RAW_SIDE = 16  # pixels: the side of the reduced picture whose values are the features
BINS = 4  # of each colour channel in the histogram
_BATCH = 16


@dataclass(frozen=True)
class FeatureSet:
    """Features (n, d) of all pictures; ``odds`` (n,) of fake where the method needs no shots."""

    name: str
    X: Float32
    odds: Float32 | None = None


def feature_sets(paths: Sequence[Path], encoder: Encoder, mesonet: Path | None) -> list[FeatureSet]:
    """Read all pictures with every method; MesoNet where its weights' folder is given."""
    pictures = list(opened(paths))
    cls, pooled = _encoded(pictures, encoder)
    sets = [
        FeatureSet(f"{encoder.spec.name}, class token", cls),
        FeatureSet(f"{encoder.spec.name}, pooled patches", pooled),
        FeatureSet("raw pixels", raw_pixels(pictures)),
        FeatureSet("colour histogram", colour_histograms(pictures)),
    ]
    for name in WEIGHTS if mesonet is not None else ():
        assert mesonet is not None
        sets.append(FeatureSet(name, *MesoNet(mesonet / f"{name}.h5").encode(pictures)))
    return sets


def raw_pixels(pictures: Sequence[Image.Image]) -> Float32:
    """Return the values of each picture at 16 x 16 pixels (n, 768), in 0..1."""
    size = (RAW_SIDE, RAW_SIDE)
    reduced = [np.asarray(one.resize(size, Image.Resampling.BOX)).ravel() for one in pictures]
    return np.asarray(np.stack(reduced) / 255, dtype=np.float32)


def colour_histograms(pictures: Sequence[Image.Image]) -> Float32:
    """Return the share of each picture's pixels in 4 x 4 x 4 cells of RGB (n, 64)."""
    found = []
    for one in pictures:
        cells = np.asarray(one.convert("RGB")).reshape(-1, 3) // (256 // BINS)
        place = cells.astype(np.int64) @ np.array([BINS * BINS, BINS, 1])
        found.append(np.bincount(place, minlength=BINS**3) / len(place))
    return np.array(found, dtype=np.float32)


def _encoded(pictures: Sequence[Image.Image], encoder: Encoder) -> tuple[Float32, Float32]:
    """Return unit class tokens (n, d), and mean and deviation of the patch tokens (n, 2 d)."""
    tokens, pooled = [], []
    for start in range(0, len(pictures), _BATCH):
        some = pictures[start : start + _BATCH]
        features, vectors = read(some, encoder)
        tokens.append(vectors)
        pooled.append(np.hstack([features.patches.mean(axis=1), features.patches.std(axis=1)]))
    return np.concatenate(tokens), np.concatenate(pooled)
