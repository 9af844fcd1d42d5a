"""Small pictures of files and samples, only of those that are still what was indexed."""

from __future__ import annotations

import io
from pathlib import Path

from PIL import Image

from indexer.errors import UnavailableError
from indexer.originals import Originals
from indexer.types import Sample
from search.video_frames import frames_at


def thumbnail(path: Path, size: int, *, sha256: str) -> bytes | None:
    """Return a file's picture as a JPEG of at most ``size`` pixels a side.

    None where it cannot be read, or is another one than ``sha256`` says.
    """
    shown = frames_at(path, [0.0], at_least=_enough(size), sha256=sha256)
    return jpeg(shown[0].image, size) if shown else None


def sample_thumbnail(originals: Originals, sample: Sample, size: int) -> bytes | None:
    """Return what a sample shows as `thumbnail` does, None where its file cannot be had."""
    try:
        return jpeg(originals.open(sample, at_least=_enough(size)).image, size)
    except UnavailableError:
        return None


def jpeg(image: Image.Image, size: int) -> bytes:
    """Return a picture as a JPEG of at most ``size`` pixels a side."""
    small = image.copy()
    small.thumbnail((size, size), Image.Resampling.BILINEAR)
    buffer = io.BytesIO()
    small.save(buffer, "JPEG", quality=85)
    return buffer.getvalue()


def _enough(size: int) -> int:
    return max(1, size // 2)  # a decoder keeps twice as much
