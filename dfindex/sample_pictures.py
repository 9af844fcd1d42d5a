"""The picture behind a sample, opened safely, with its local features."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from indexer.decode import Limits, decode_image, read_file
from indexer.errors import MediaError
from indexer.store.catalog import Catalog
from indexer.types import Kind, Sample
from search.features import LocalFeatures, local_features

SIDE = 320  # shorter side in pixels that is decoded at least
# Fewer points at a smaller size than a search takes: every picture of a corpus is looked at.
LONGEST_SIDE, COUNT = 256, 200


@dataclass(frozen=True)
class Opened:
    """A picture and its local features."""

    image: Image.Image
    features: LocalFeatures


def open_sample(catalog: Catalog, sample: Sample) -> Opened | None:
    """Open a sample's picture; None where its file is gone, has changed, or is a video."""
    raw = catalog.raw_path(sample.id)
    if raw is None or sample.kind is not Kind.IMAGE:
        return None
    try:
        data = read_file(Path(os.fsdecode(raw)), limits=Limits())
        if hashlib.sha256(data).hexdigest() != sample.sha256:
            return None
        image = decode_image(data, at_least=SIDE).image
    except MediaError:
        return None
    return Opened(image, local_features(image, longest_side=LONGEST_SIDE, count=COUNT))
