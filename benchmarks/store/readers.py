"""Readers of an index in processes of their own, which keep it open while others write to it."""

from __future__ import annotations

import multiprocessing
import random
import time
from collections import Counter
from pathlib import Path

import numpy as np

from indexer.originals import Originals
from indexer.store.reader import IndexReader
from indexer.types import Float32

_HELD = 6.0  # seconds that a generation is read from at most


def read_on(
    index: Path, seconds: float, seed: int, told: multiprocessing.Queue[dict[str, int]]
) -> None:
    """Open the index again and again, and read; tell how often, and every error."""
    rng = random.Random(seed)
    said: Counter[str] = Counter()
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        try:
            with IndexReader(index) as reader:
                _read(reader, rng, said)
        except Exception as error:  # whatever it is, it is what the reader met
            said[f"reader: {type(error).__name__}: {error}"[:300]] += 1
            time.sleep(0.1)
    told.put(dict(said))


def _read(reader: IndexReader, rng: random.Random, said: Counter[str]) -> None:
    """Read from one generation for a while: vectors, neighbours, keypoints, files."""
    space, originals = reader.space(), Originals(reader.catalog)
    ids = space.ids().tolist()
    until = time.monotonic() + rng.uniform(0, _HELD)
    while True:
        chosen = rng.sample(ids, min(8, len(ids)))
        found = space.embeddings(chosen)
        scores, near = space.neighbours(found.vectors, 3)
        if not np.allclose(scores[:, 0], 1, atol=1e-3):
            said["reader: a sample is not nearest to itself"] += 1
        if near.shape[0] != len(found.ids):
            said["reader: neighbours are missing"] += 1
        space.patches(chosen[:2])
        kept = [one for one in reader.catalog.samples(chosen) if "/keep/" in one.path]
        for sample in kept[:2]:
            originals.open(sample, at_least=64)
        said["reads"] += 1
        if time.monotonic() > until:
            said["keypoints read"] += len(space.keypoints) > 0
            return
        time.sleep(0.2)


def state_of(index: Path) -> dict[str, tuple[Float32, str | None]]:
    """Return each sample's vector and label by its path."""
    with IndexReader(index) as reader:
        found = reader.space().embeddings()
        samples = reader.catalog.samples(found.ids.tolist())
    return {
        one.path: (vector, one.label) for one, vector in zip(samples, found.vectors, strict=True)
    }
