"""The encoders of the service: loaded once, and asked for several requests' pictures at a time."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from dfindex.encoders import open_encoder
from dfindex.server.jobs.batching import Batcher
from dfindex.server.metrics import Metrics
from dfindex.server.settings import ServerSettings
from indexer.closing import Closing
from indexer.types import Encoder, EncoderSpec, Features, UInt8

_LARGEST = 8  # pictures at a time: more make it no faster
_WINDOW = 0.004


class BatchedEncoder(Closing):
    """An `Encoder` for many threads: what they ask for at the same time is one batch."""

    def __init__(self, encoder: Encoder, metrics: Metrics, waiting: int) -> None:
        self._encoder = encoder
        self._metrics = metrics
        self._batcher: Batcher[UInt8, Features] = Batcher(
            self._answer, name="encode", largest=_LARGEST, window=_WINDOW, waiting=waiting
        )

    @property
    def spec(self) -> EncoderSpec:
        """What the encoder is."""
        return self._encoder.spec

    @property
    def device(self) -> str:
        """Where it runs."""
        return self._encoder.device

    @property
    def precision(self) -> str:
        """What it computes in."""
        return self._encoder.precision

    def encode(self, images: UInt8) -> Features:
        """Read images (B, size, size, 3) uint8; other threads' images may share the pass."""
        return self._batcher.submit(images).result()

    def close(self) -> None:
        """End the thread."""
        self._batcher.close()

    def _answer(self, asked: Sequence[UInt8]) -> Sequence[Features]:
        self._metrics.batches.labels("embed").observe(len(asked))
        found = self._encoder.encode(np.concatenate(asked))
        ends = np.cumsum([len(images) for images in asked])
        starts = [0, *ends[:-1].tolist()]
        return [_part(found, start, int(end)) for start, end in zip(starts, ends, strict=True)]


class Encoders(Closing):
    """Opens each encoder once, for all generations of the index."""

    def __init__(self, settings: ServerSettings, metrics: Metrics) -> None:
        self._settings = settings
        self._metrics = metrics
        self._guard = threading.Lock()
        self._opened: dict[str, BatchedEncoder] = {}

    def open(self, encoder: str | Path | Encoder | None, device: str, precision: str) -> Encoder:
        """Return an encoder by its name or folder, on the service's device."""
        if not (encoder is None or isinstance(encoder, str | Path)):
            return encoder
        name = str(self._settings.encoder or encoder or "")
        with self._guard:
            if name not in self._opened:
                loaded = open_encoder(name or None, self._settings.device, self._settings.precision)
                waiting = self._settings.allowance.waiting
                self._opened[name] = BatchedEncoder(loaded, self._metrics, waiting)
            return self._opened[name]

    def close(self) -> None:
        """End all encoders."""
        for encoder in self._opened.values():
            encoder.close()


def _part(features: Features, start: int, end: int) -> Features:
    logits = features.logits
    return Features(
        cls=features.cls[start:end],
        patches=features.patches[start:end],
        logits=None if logits is None else logits[start:end],
    )
