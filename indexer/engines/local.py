"""Extraction on this machine: isolated processes decode ahead, one model reads in batches."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from indexer.decode_pool import Prepared
from indexer.types import Encoder, Float32, unit


@dataclass(frozen=True)
class Read:
    """A prepared file and what the encoder read in it.

    ``vector`` (D,) float32 of unit length and ``patches`` (N, D) float32; both None where there
    was nothing to read: the file failed, or its content is known.
    """

    prepared: Prepared
    vector: Float32 | None = None
    patches: Float32 | None = None


def extract(encoder: Encoder, stream: Iterable[Prepared], *, batch_size: int) -> Iterator[Read]:
    """Run the encoder over a stream of prepared files in batches of ``batch_size``.

    Files without pixels pass through at once; the others come out in the order they came in.
    """
    batch: list[Prepared] = []
    for prepared in stream:
        if prepared.pixels is None:
            yield Read(prepared)
            continue
        batch.append(prepared)
        if len(batch) == batch_size:
            yield from _encode(encoder, batch)
            batch = []
    if batch:
        yield from _encode(encoder, batch)


def _encode(encoder: Encoder, batch: list[Prepared]) -> Iterator[Read]:
    pixels = np.stack([one.pixels for one in batch if one.pixels is not None])
    features = encoder.encode(pixels)
    vectors = unit(features.cls)
    for place, prepared in enumerate(batch):
        yield Read(prepared, vectors[place], features.patches[place])
