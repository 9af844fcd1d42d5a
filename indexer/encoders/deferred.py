"""An encoder that is described at once and loaded when it is first needed."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from threading import Lock

from indexer.types import Encoder, EncoderSpec, Features, UInt8


class Deferred:
    """Implements `indexer.types.Encoder`: a build that finds nothing new need not load a model."""

    def __init__(self, spec: EncoderSpec, load: Callable[[], Encoder]) -> None:
        self.spec = spec
        self._load = load
        self._loading = Lock()

    @property
    def device(self) -> str:
        """Where it runs."""
        return self.loaded.device

    @property
    def precision(self) -> str:
        """What it computes in."""
        return self.loaded.precision

    @property
    def loaded(self) -> Encoder:
        """The encoder itself."""
        with self._loading:
            return self._encoder

    def encode(self, images: UInt8) -> Features:
        """Read images (B, size, size, 3) uint8 RGB."""
        return self.loaded.encode(images)

    @cached_property
    def _encoder(self) -> Encoder:
        return self._load()
