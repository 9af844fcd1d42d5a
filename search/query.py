"""A query as it was read: a picture's bytes, or what a sample shows, decoded and embedded once."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from indexer.extract import embed
from indexer.media.files import Limits, read_file
from indexer.media.image import DecodedImage, decode_image
from indexer.media.scales import Scales
from indexer.originals import Originals
from indexer.preprocess import needed
from indexer.types import Encoder, Float32, Kind, Sample


@dataclass(frozen=True, kw_only=True)
class Picture:
    """A query: where it is from, its SHA-256, its pixels at every scale, its unit vector (D,).

    ``sample`` is the one it is, where a sample was searched for.
    """

    path: str
    sha256: str
    scales: Scales
    decoded: DecodedImage
    vector: Float32
    sample: Sample | None = None

    @property
    def image(self) -> Image.Image:
        """The picture as the index would have read it, perhaps at a reduced scale."""
        return self.decoded.image

    def is_of(self, other: Sample) -> bool:
        """Tell whether a sample is the query itself, or another picture of the very same bytes."""
        return is_same_content(self.sample, other) if self.sample else self.sha256 == other.sha256


def is_same_content(sample: Sample, other: Sample) -> bool:
    """Tell whether two samples are one, or the only pictures of the very same bytes."""
    if sample.kind is not Kind.IMAGE or sample.page is not None:
        return sample.id == other.id
    return sample.sha256 == other.sha256 and other.kind is Kind.IMAGE


def read_picture(path: Path, encoder: Encoder) -> Picture:
    """Read a picture from its file; raise MediaError where that fails."""
    limits = Limits()
    data = read_file(path, limits=limits)

    def decode(at_least: int) -> DecodedImage:
        return decode_image(data, limits=limits, at_least=at_least)

    return _read(Scales(decode), encoder, path=str(path), sha256=hashlib.sha256(data).hexdigest())


def sampled_picture(originals: Originals, sample: Sample, encoder: Encoder) -> Picture:
    """Read what a sample shows; raise UnavailableError."""

    def decode(at_least: int) -> DecodedImage:
        return originals.open(sample, at_least=at_least)

    return _read(Scales(decode), encoder, path=sample.path, sha256=sample.sha256, sample=sample)


def _read(
    scales: Scales, encoder: Encoder, *, path: str, sha256: str, sample: Sample | None = None
) -> Picture:
    preset = encoder.spec.preset
    # As the index was made: at a reduced scale a picture's vector is a slightly other one.
    decoded = scales.at_least(needed(preset))
    vector = embed([decoded.image], encoder)[0]
    return Picture(
        path=path, sha256=sha256, scales=scales, decoded=decoded, vector=vector, sample=sample
    )
