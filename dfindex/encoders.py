"""Open encoders by what people call them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from indexer.store.catalog.catalog import SpaceRow
    from indexer.types import Encoder, Preset


def open_encoder(
    encoder: str | Path | Encoder | None,
    device: str,
    precision: str,
    *,
    preset: str | Preset | None = None,
    layer: int = -1,
    engine: str = "torch",
) -> Encoder:
    """Return an encoder: the object itself, or the one a name or folder stands for."""
    from indexer.encoders.registry import deferred

    if encoder is None or isinstance(encoder, str | Path):
        return deferred(
            encoder,
            device=device,
            precision=precision,
            preset=preset,
            layer=layer,
            engine=engine,
        )
    return encoder


def encoder_of(row: SpaceRow, device: str, precision: str) -> Encoder:
    """Open a space's encoder with the preset and the layer that the space was made with."""
    spec = row.encoder
    return open_encoder(row.loaded_from, device, precision, preset=spec.preset, layer=spec.layer)
