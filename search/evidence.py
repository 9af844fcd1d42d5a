"""Look at the pixels of a search's candidates: which are copies, and what was changed."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from indexer.decode import DecodedImage, decode_image
from indexer.originals import Originals
from indexer.types import Sample
from search.compare import Comparison, compare_images
from search.features import LocalFeatures, local_features
from search.results import Match

NEEDED_SIDE = 300  # shorter side in pixels; a decoder keeps twice as much of a larger picture


class Verifier:
    """Compares one query with samples of a corpus, pixel by pixel."""

    def __init__(self, originals: Originals, query: bytes) -> None:
        self._originals = originals
        self._query = decode_image(query, at_least=NEEDED_SIDE)
        self._features = local_features(self._query.image)

    def compare(self, sample: Sample) -> Comparison:
        """Compare the query with a sample's file; raise UnavailableError.

        The match is in pixels of the original pictures, whatever scale they were compared at.
        """
        decoded = self._originals.open(sample, at_least=NEEDED_SIDE)
        features = (self._features, local_features(decoded.image))
        return compare_decoded(self._query, decoded, features)


def compare_decoded(
    query: DecodedImage,
    sample: DecodedImage,
    features: tuple[LocalFeatures, LocalFeatures] | None = None,
) -> Comparison:
    """Compare two decoded pictures; the match is in pixels of the originals."""
    found = compare_images(query.image, sample.image, features=features)
    if found.match is None:
        return found
    return replace(found, match=_in_originals(found.match, query, sample))


def _in_originals(match: Match, query: DecodedImage, sample: DecodedImage) -> Match:
    here, there = _factors(query), _factors(sample)
    transform = np.diag([*there, 1.0]) @ np.array(match.transform) @ np.diag([*(1 / here), 1.0])
    boxes = tuple(
        (
            round(x * here[0]),
            round(y * here[1]),
            round(width * here[0]),
            round(height * here[1]),
        )
        for x, y, width, height in match.altered_boxes
    )
    return replace(
        match,
        transform=((*transform[0].tolist(),), (*transform[1].tolist(),), (*transform[2].tolist(),)),
        scale=match.scale * float(there[0] / here[0]),
        altered_boxes=boxes,
    )


def _factors(decoded: DecodedImage) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    return np.array([decoded.width / decoded.image.width, decoded.height / decoded.image.height])
