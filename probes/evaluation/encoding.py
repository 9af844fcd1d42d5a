"""What a file's form tells without its picture: the control for codec leakage."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from indexer.originals import Originals
from indexer.store.catalog.catalog import Catalog, Encoding
from indexer.types import Absence, Float32, Int64

HEAD_BYTES = 1 << 18  # of a file, which hold a JPEG's tables unless its metadata are enormous
FORMATS = ("JPEG", "PNG", "WEBP")
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
    return np.array(
        [_described(encodings[one], places.get(one)) for one in ids.tolist()], dtype=np.float32
    )


def _described(encoding: Encoding, place: Path | Absence | None) -> list[float]:
    size, width, height = encoding.bytes, encoding.width, encoding.height
    head = _head(place) if encoding.format == "JPEG" and isinstance(place, Path) else b""
    return [
        np.log(max(size, 1)),
        size / (width * height),
        np.log(width),
        np.log(height),
        width / height,
        *(float(encoding.format == name) for name in FORMATS),
        *jpeg_tables(head),
    ]


def jpeg_tables(data: bytes) -> tuple[float, float, float]:
    """Return the mean of the first and second quantisation table and the luma's sampling.

    Zeros for what the bytes do not hold. Only marker segments are read; nothing is decoded.
    """
    means = [0.0, 0.0]
    sampling = 0.0
    place = 2 if data[:2] == b"\xff\xd8" else len(data)
    while place + 4 <= len(data) and data[place] == 0xFF and data[place + 1] != 0xDA:
        marker = data[place + 1]
        length = int.from_bytes(data[place + 2 : place + 4], "big")
        body = data[place + 4 : place + 2 + length]
        if marker == 0xDB:
            _add_tables(body, means)
        elif marker in (0xC0, 0xC1, 0xC2) and len(body) > 7:
            sampling = float((body[7] >> 4) * (body[7] & 15))
        place += 2 + max(length, 2)
    return means[0], means[1], sampling


def _add_tables(body: bytes, means: list[float]) -> None:
    place = 0
    while place < len(body):
        wide, number = body[place] >> 4, body[place] & 15
        table = body[place + 1 : place + 1 + 64 * (1 + bool(wide))]
        if len(table) == 64 * (1 + bool(wide)) and number < len(means):
            means[number] = float(np.frombuffer(table, ">u2" if wide else "u1").mean())
        place += 1 + 64 * (1 + bool(wide))


def _head(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(HEAD_BYTES)
    except OSError:
        return b""


def varied(features: Float32) -> Sequence[str]:
    """Return the names of the features that differ between the files."""
    return [name for name, column in zip(NAMES, features.T, strict=True) if np.ptp(column) > 0]
