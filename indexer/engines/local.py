"""Extraction on this machine: isolated processes decode ahead, one model reads in batches."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from indexer.encoders.device import share_cores
from indexer.extract import read_prepared
from indexer.isolation.pool import Prepared
from indexer.types import Encoder, Features, Float32


@dataclass(frozen=True)
class Read:
    """A prepared file and what the encoder read in it.

    ``vector`` (D,) float32 of unit length and ``patches`` (N, D) float32; both None where there
    was nothing to read: the file failed, or its content is known. ``head`` (D + labels,) is the
    class token as it was and the logits, where the encoder's own head read that token.
    """

    prepared: Prepared
    vector: Float32 | None = None
    patches: Float32 | None = None
    head: Float32 | None = None


_BATCH_ON_CPU = 8
_BATCH_ON_ACCELERATOR = 64


def batch_size_for(encoder: Encoder) -> int:
    """Return how many pictures an encoder best reads in one pass."""
    return _BATCH_ON_CPU if encoder.device == "cpu" else _BATCH_ON_ACCELERATOR


def streams_for(encoder: Encoder) -> int:
    """Return how many batches an encoder best reads at once.

    On a CPU one a core: the cores then never wait for each other inside a layer, nor for one that
    a decoder has taken for a moment. An accelerator reads one batch after the other.
    """
    return (os.cpu_count() or 1) if encoder.device == "cpu" else 1


def extract(
    encoder: Encoder, stream: Iterable[Prepared], *, batch_size: int, streams: int = 1
) -> Iterator[Read]:
    """Run the encoder over a stream of prepared files in batches of ``batch_size``.

    ``streams`` batches are read at once, each on its share of the cores. Files without pixels
    pass through at once; the others come out in the order they came in.
    """
    under_way: deque[Future[list[Read]]] = deque()
    with ThreadPoolExecutor(streams, "encode", share_cores, (streams,)) as threads:
        batch: list[Prepared] = []
        for prepared in stream:
            if prepared.pixels is None:
                yield Read(prepared)
                continue
            batch.append(prepared)
            if len(batch) == batch_size:
                under_way.append(threads.submit(_encode, encoder, batch))
                batch = []
                # One batch more than there are streams, so that none of them waits for us.
                if len(under_way) > streams:
                    yield from under_way.popleft().result()
        if batch:
            under_way.append(threads.submit(_encode, encoder, batch))
        for future in under_way:
            yield from future.result()


def _encode(encoder: Encoder, batch: list[Prepared]) -> list[Read]:
    pixels = np.stack([one.pixels for one in batch if one.pixels is not None])
    features, vectors = read_prepared(pixels, encoder)
    head = head_rows(encoder, features)
    return [
        Read(
            prepared,
            vectors[place],
            features.patches[place],
            None if head is None else head[place],
        )
        for place, prepared in enumerate(batch)
    ]


def head_rows(encoder: Encoder, features: Features) -> Float32 | None:
    """Return class tokens and logits (B, D + labels), where the head read those very tokens."""
    if features.logits is None or encoder.spec.layer != -1:
        return None
    return np.concatenate([features.cls, features.logits], axis=1)
