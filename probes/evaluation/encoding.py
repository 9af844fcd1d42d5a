"""What a file's encoding tells without its picture: the control for codec leakage."""

from __future__ import annotations

from collections.abc import Sequence
from typing import IO

import numpy as np
from PIL import JpegImagePlugin

from indexer.errors import UnavailableError
from indexer.originals import Originals
from indexer.store.catalog.catalog import Catalog, Encoding
from indexer.types import Float32, Int64, Sample

FORMATS = ("JPEG", "PNG", "WEBP")
_NO_TABLES = (0.0, 0.0, 0.0)
NAMES = (
    "log bytes",
    "bytes a pixel",
    "log width",
    "log height",
    "aspect",
    *FORMATS,
    "quantisation of luma",
    "quantisation of chroma",
    "chroma subsampling",
)


def codec_features(catalog: Catalog, ids: Int64) -> Float32:
    """Return features (n, d) float32 of the files behind samples, in the order of ``ids``.

    A JPEG's tables are read from the file itself; zero where it is gone, changed or another format.
    """
    encodings, originals = catalog.encodings(ids.tolist()), Originals(catalog)
    rows = [_described(encodings[one.id], one, originals) for one in catalog.samples(ids.tolist())]
    return np.array(rows, dtype=np.float32)


def _described(encoding: Encoding, sample: Sample, originals: Originals) -> list[float]:
    size, width, height = encoding.bytes, encoding.width, encoding.height
    return [
        np.log(max(size, 1)),
        size / (width * height),
        np.log(width),
        np.log(height),
        width / height,
        *(float(encoding.format == name) for name in FORMATS),
        *(_tables_of(sample, originals) if encoding.format == "JPEG" else _NO_TABLES),
    ]


def _tables_of(sample: Sample, originals: Originals) -> tuple[float, float, float]:
    try:
        with originals.file(sample).file as file:
            return jpeg_tables(file)
    except (UnavailableError, OSError):
        return _NO_TABLES


def jpeg_tables(file: IO[bytes]) -> tuple[float, float, float]:
    """Return the mean of the first and second quantisation table and the luma's sampling.

    Only a JPEG's header is read; raise what Pillow raises where it is none.
    """
    with JpegImagePlugin.JpegImageFile(file) as image:
        tables: dict[int, list[int]] = image.quantization
        (_, horizontal, vertical, _), *_ = image.layer
    luma, chroma = (float(np.mean(tables.get(number, [0]))) for number in (0, 1))
    return luma, chroma, float(horizontal * vertical)


def varied(features: Float32) -> Sequence[str]:
    """Return the names of the features that differ between the files."""
    return [name for name, column in zip(NAMES, features.T, strict=True) if np.ptp(column) > 0]
