"""Small pictures of samples, only of those that are still what was indexed."""

from __future__ import annotations

import io

from PIL import Image

from indexer.errors import UnavailableError
from indexer.originals import Originals
from indexer.types import Sample


def sample_thumbnail(originals: Originals, sample: Sample, size: int) -> bytes | None:
    """Return what a sample shows as `jpeg` does, None where its file cannot be had."""
    try:
        return jpeg(originals.open(sample, at_least=enough(size)).image, size)
    except UnavailableError:
        return None


def jpeg(image: Image.Image, size: int) -> bytes:
    """Return a picture as a JPEG of at most ``size`` pixels a side."""
    small = image.copy()
    small.thumbnail((size, size), Image.Resampling.BILINEAR)
    buffer = io.BytesIO()
    small.save(buffer, "JPEG", quality=85)
    return buffer.getvalue()


def enough(size: int) -> int:
    """Return the shorter side to decode for a longer one of ``size``: twice as much is kept."""
    return max(1, size // 2)
