"""What a file's encoding tells without its picture: the control for codec leakage."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import IO

import numpy as np
from PIL import JpegImagePlugin

from indexer.errors import MediaError
from indexer.media.files import open_file
from indexer.originals import Originals
from indexer.store.catalog.catalog import Catalog, Encoding
from indexer.types import Absence, Float32, Int64

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
    encodings = catalog.encodings(ids.tolist())
    places = Originals(catalog).places(catalog.samples(ids.tolist()))
    rows = [_described(encodings[one], places.get(one)) for one in ids.tolist()]
    return np.array(rows, dtype=np.float32)


def _described(encoding: Encoding, place: Path | Absence | None) -> list[float]:
    size, width, height = encoding.bytes, encoding.width, encoding.height
    return [
        np.log(max(size, 1)),
        size / (width * height),
        np.log(width),
        np.log(height),
        width / height,
        *(float(encoding.format == name) for name in FORMATS),
        *(
            _tables_of(place)
            if encoding.format == "JPEG" and isinstance(place, Path)
            else _NO_TABLES
        ),
    ]


def _tables_of(path: Path) -> tuple[float, float, float]:
    try:
        with open_file(path) as file:
            return jpeg_tables(file)
    except (MediaError, OSError, SyntaxError):  # the last is Pillow's for what is no JPEG
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
