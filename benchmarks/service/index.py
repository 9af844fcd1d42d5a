"""An index of made-up vectors, as large as a measurement of the service needs."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np

from indexer.corpus import FoundFile
from indexer.encoders.registry import deferred
from indexer.store.vectors.ann import EXACT_UP_TO
from indexer.store.vectors.patch_codec import PatchCodec
from indexer.store.writer import IndexWriter, NewSample
from indexer.types import Float32, unit

_CLUSTERS = 400
_LATENT = 48  # dimensions in which samples of one cluster differ
_BATCH = 5000


def make_index(
    folder: Path, samples: int, *, seed: int = 0, exact_up_to: int = EXACT_UP_TO
) -> None:
    """Write an index of ``samples`` vectors in clusters, in the packaged encoder's space.

    It has a graph above ``exact_up_to`` vectors.
    """
    encoder = deferred(None, device="cpu", precision="fp32")
    spec = encoder.spec
    rng = np.random.default_rng(seed)
    codec = PatchCodec.fit(rng.normal(size=(256, spec.dim)).astype(np.float32))
    row = codec.encode(np.zeros((1, 1, spec.dim), np.float32))[0]
    with IndexWriter(folder) as writer:
        writer.add_space(spec, codec, loaded_from=spec.name)
        for start in range(0, samples, _BATCH):
            count = min(_BATCH, samples - start)
            vectors = _vectors(rng, count, spec.dim, np.random.default_rng(seed + 1))
            made = [_sample(start + offset, vectors[offset], row) for offset in range(count)]
            writer.commit(spec, made_on=encoder, samples=made)
        writer.publish()
        writer.refresh_ann(spec.fingerprint, exact_up_to=exact_up_to)


def _vectors(rng: np.random.Generator, count: int, dim: int, fixed: np.random.Generator) -> Float32:
    """Return unit vectors (count, dim) in clusters, whose centres are the same at every call."""
    centres = fixed.normal(size=(_CLUSTERS, dim))
    latent = fixed.normal(size=(_LATENT, dim)) / np.sqrt(_LATENT)
    weights = 1 / np.arange(1, _CLUSTERS + 1)
    chosen = rng.choice(_CLUSTERS, size=count, p=weights / weights.sum())
    return unit(centres[chosen] + 2.5 * rng.normal(size=(count, _LATENT)) @ latent)


def _sample(
    number: int, vector: Float32, patch_row: np.ndarray[tuple[int], np.dtype[np.uint8]]
) -> NewSample:
    path = f"/made-up/case-{number % 97:02d}/picture-{number:07d}.jpg"
    return NewSample(
        file=FoundFile(raw=path.encode(), path=path, size=1, mtime_ns=1_700_000_000_000_000_000),
        sha256=hashlib.sha256(path.encode()).hexdigest(),
        width=640,
        height=480,
        format="JPEG",
        vector=vector,
        patch_row=patch_row,
    )
