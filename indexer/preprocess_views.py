"""Several looks at one picture: the centre, and the corners that a centre crop cuts away."""

from __future__ import annotations

import numpy as np
from PIL import Image

from indexer.preprocess import prepare, resized
from indexer.types import Preset, UInt8


def views(image: Image.Image, preset: Preset) -> UInt8:
    """Return the centre crop and the four corner crops (V, size, size, 3) uint8 of a picture.

    A centre crop sees half of a 3:2 picture. Where the preset shows the whole picture anyway
    there is one view.
    """
    centre = prepare(image, preset)
    if preset.resize_to is None:
        return centre[None]
    whole = resized(image, preset)
    right, bottom = whole.width - preset.size, whole.height - preset.size
    corners = sorted({(0, 0), (right, 0), (0, bottom), (right, bottom)})
    if len(corners) == 1:
        return centre[None]
    crops = [np.asarray(whole.crop((x, y, x + preset.size, y + preset.size))) for x, y in corners]
    return np.stack([centre, *crops])


def seen_box(width: int, height: int, preset: Preset) -> tuple[float, float, float, float]:
    """Return the part of a picture that a preset shows: x, y, width, height in its pixels."""
    if preset.resize_to is None:
        return 0.0, 0.0, float(width), float(height)
    side = preset.size / preset.resize_to * min(width, height)
    return (width - side) / 2, (height - side) / 2, side, side
