"""Look at the pixels of a search's candidates: which are copies, and what was changed.

A pair of pictures is judged in one way, here, at one size, whoever asks: a search, a comparison of
two files, a look for duplicates. What was found is handed on with what it was found in.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace

import cv2
import numpy as np
from PIL import Image

from indexer.errors import UnavailableError
from indexer.media.image import DecodedImage
from indexer.media.scales import Scales
from indexer.originals import Originals
from indexer.types import Absence, Sample
from search.results import Match, PictureResult
from search.verification.compare import Comparison, compare_images
from search.verification.features import LocalFeatures, local_features
from search.verification.transforms import Matrix

NEEDED_SIDE = 300  # shorter side in pixels; a decoder keeps twice as much of a larger picture
SHOWN_SIDE = 640  # longer side in pixels of what is kept to be drawn


@dataclass(frozen=True)
class Evidence:
    """Two pictures that were compared and what was found; the match is in original pixels.

    The altered mask and its strength cover the whole of the first picture, at any scale.
    """

    first: DecodedImage
    second: DecodedImage
    comparison: Comparison

    @property
    def to_mask(self) -> Matrix:
        """What takes pixels of the first original to those of the altered mask."""
        mask = self.comparison.altered_mask
        height, width = (1, 1) if mask is None else mask.shape
        return np.diag([width / self.first.width, height / self.first.height, 1.0])

    def reduced(self, side: int = SHOWN_SIDE) -> Evidence:
        """Return the same with pictures and masks of a longer side of at most ``side`` pixels."""
        first, second = _reduced(self.first, side), _reduced(self.second, side)
        found, size = self.comparison, first.image.size
        if found.altered_mask is None or found.strength is None:
            return Evidence(first, second, found)
        # By their largest value, so that what is small and altered is not lost.
        strength = np.where(found.altered_mask, found.strength, 0).astype(np.float32)
        mask = cv2.resize(found.altered_mask.astype(np.float32), size, interpolation=cv2.INTER_AREA)
        share = np.maximum(mask, 1e-6)
        mean = cv2.resize(strength, size, interpolation=cv2.INTER_AREA) / share
        small = replace(found, altered_mask=mask > 0, strength=mean.astype(np.float32))
        return Evidence(first, second, small)


@dataclass(frozen=True, kw_only=True)
class ExaminedResult(PictureResult):
    """An answer with the pictures behind it, in memory only: of the query, and of hits by id."""

    picture: DecodedImage | None = None
    evidence: Mapping[int, Evidence] = field(default_factory=dict)


@dataclass(frozen=True)
class Examined:
    """What a look at candidates gave, by their ids: a comparison, or why there is none.

    ``evidence`` is that of the copies, small enough to be kept until it is drawn.
    """

    comparisons: dict[int, Comparison]
    evidence: dict[int, Evidence]
    absent: dict[int, Absence]


def examine(originals: Originals, query: Scales, samples: Sequence[Sample]) -> Examined:
    """Compare a query with samples of a corpus, pixel by pixel, on all cores."""
    if not samples:
        return Examined({}, {}, {})
    verifier = _Verifier(originals, query.at_least(NEEDED_SIDE))
    with ThreadPoolExecutor(os.cpu_count() or 1, "verify") as threads:
        answers = list(threads.map(verifier.look_at, samples))
    found = {one.id: answer for one, answer in zip(samples, answers, strict=True)}
    copies = {id_: one for id_, one in found.items() if isinstance(one, Evidence)}
    others = {id_: one for id_, one in found.items() if isinstance(one, Comparison)}
    return Examined(
        comparisons=others | {id_: one.comparison for id_, one in copies.items()},
        evidence=copies,
        absent={id_: one for id_, one in found.items() if isinstance(one, Absence)},
    )


class _Verifier:
    """Compares one query with samples of a corpus, from any thread."""

    def __init__(self, originals: Originals, query: DecodedImage) -> None:
        self._originals = originals
        self._query = query
        self._features = local_features(query.image)

    def look_at(self, sample: Sample) -> Evidence | Comparison | Absence:
        """Compare the query with what a sample shows, or say why it cannot be had.

        Pictures are handed on only where there is something to be drawn.
        """
        try:
            decoded = self._originals.open(sample, at_least=NEEDED_SIDE)
        except UnavailableError as error:
            return error.why
        features = (self._features, local_features(decoded.image))
        found = compare_decoded(self._query, decoded, features=features)
        return found.comparison if found.comparison.match is None else found.reduced()


def compare_decoded(
    first: DecodedImage,
    second: DecodedImage,
    *,
    same_bytes: bool = False,
    features: tuple[LocalFeatures, LocalFeatures] | None = None,
) -> Evidence:
    """Compare two pictures that were decoded for at least `NEEDED_SIDE` pixels."""
    found = compare_images(first.image, second.image, same_bytes=same_bytes, features=features)
    if found.match is not None:
        found = replace(found, match=_in_originals(found.match, first, second))
    return Evidence(first, second, found)


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


def _reduced(picture: DecodedImage, side: int) -> DecodedImage:
    if max(picture.image.size) <= side:
        return picture
    image = picture.image.copy()
    image.thumbnail((side, side), Image.Resampling.LANCZOS)
    return replace(picture, image=image)
