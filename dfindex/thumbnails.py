"""Small pictures of samples, only of files that are still what was indexed."""

from __future__ import annotations

import io
import os
from pathlib import Path

from PIL import Image

from dfindex.index import Index
from indexer.decode import decode_image
from indexer.errors import MediaError
from indexer.files import read_unchanged
from indexer.types import Sample
from search.video_frames import frames_at


def thumbnail(path: Path, size: int, *, sha256: str) -> bytes | None:
    """Return a picture as a JPEG of at most ``size`` pixels a side; None where it is another now.

    Raise MediaError where it cannot be read.
    """
    data = read_unchanged(path, sha256)
    if data is None:
        return None
    return _jpeg(decode_image(data, at_least=max(1, size // 2)).image, size)


def sample_thumbnail(index: Index, sample: Sample, size: int) -> bytes | None:
    """Return the thumbnail of a sample, None where its file is gone or has changed."""
    raw = index.catalog.raw_path(sample.id)
    if raw is None:
        return None
    path = Path(os.fsdecode(raw))
    if sample.time_s is not None:
        frames = frames_at(path, [sample.time_s], sha256=sample.sha256, at_least=size // 2)
        return _jpeg(frames[0].image, size) if frames else None
    try:
        return thumbnail(path, size, sha256=sample.sha256)
    except MediaError:
        return None


def _jpeg(image: Image.Image, size: int) -> bytes:
    small = image.copy()
    small.thumbnail((size, size), Image.Resampling.BILINEAR)
    buffer = io.BytesIO()
    small.save(buffer, "JPEG", quality=82)
    return buffer.getvalue()
