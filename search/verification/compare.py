"""Whether one picture is a copy of another, and what was changed in it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from typing import Any

import cv2
import numpy as np
from PIL import Image

from indexer.structure import ASSESSABLE, structure
from indexer.types import Float32, UInt8
from search.results import Match
from search.verdict import Verdict
from search.verification.alignment import Alignment, Mask, align
from search.verification.description import Change, described
from search.verification.features import LocalFeatures, local_features
from search.verification.matching import Geometry, match_features
from search.verification.transforms import PIXEL_CENTRE, Matrix, overlaps, parts
from search.verification.verdict_criteria import LIKELY, SURE, AlignedPair, Measured
from search.verification.whole_image import whole_picture

FEWEST_POINTS = 16
MOST_BOXES = 12
COMPARED = 0.5  # fidelity from which it can be said that nothing was altered


@dataclass(frozen=True)
class Comparison:
    """What two pictures have in common.

    ``score`` is a similarity from 0 to 1, None where nothing can be said. ``altered_mask``
    (height, width) bool marks, in pixels of the first picture, what was changed of what both
    show; ``strength`` (height, width) float32 is the difference there in multiples of the noise.
    """

    verdict: Verdict
    score: float | None
    match: Match | None
    change: Change | None = None
    altered_mask: Mask | None = None
    strength: Float32 | None = None

    @property
    def description(self) -> str:
        """What became of the first picture in the second, in words."""
        return described(self.verdict, self.match, self.change)


def compare_images(
    a: Image.Image,
    b: Image.Image,
    *,
    same_bytes: bool = False,
    features: tuple[LocalFeatures, LocalFeatures] | None = None,
) -> Comparison:
    """Say whether one picture is a copy of the other, and where its content was altered.

    Both are upright RGB; ``same_bytes`` says that their files are the same, which alone makes them
    exact. A blank picture is not assessable against any other file. The verdict is the same with
    the two exchanged, since they are always compared in one order, that of their pixels' digests.
    ``features`` saves finding them again.
    """
    # OpenCV's sums differ with the number of its threads, and a finding must not. Pairs are
    # compared side by side anyway.
    cv2.setNumThreads(1)
    first, second = (np.asarray(each.convert("RGB")) for each in (a, b))
    if same_bytes:
        return _identical(first, Verdict.EXACT)
    if min(structure(a), structure(b)) < ASSESSABLE:
        return Comparison(Verdict.NOT_ASSESSABLE, None, None)
    if first.shape == second.shape and np.array_equal(first, second):
        return _identical(first, Verdict.COPY)
    found = features or (local_features(first), local_features(second))
    if _digest(first) <= _digest(second):
        evidence = _evidence((first, second), found)
        return _judged(evidence, found, (first, second))
    evidence = _evidence((second, first), found[::-1])
    return _judged(_exchanged(evidence), found, (first, second))


def _identical(image: UInt8, verdict: Verdict) -> Comparison:
    """Return what is said of equal pixels: exact where the bytes are equal too, else a copy."""
    height, width = image.shape[:2]
    match = Match(
        inliers=len(local_features(image)),
        transform=_rows(np.eye(3)),
        mirrored=False,
        rotation_deg=0.0,
        scale=1.0,
        query_overlap=1.0,
        sample_overlap=1.0,
        altered_fraction=0.0,
        altered_boxes=(),
    )
    nothing = np.zeros((height, width), dtype=np.float32)
    return Comparison(verdict, 1.0, match, Change(same_pixels=True), nothing > 0, nothing)


def _digest(image: UInt8) -> bytes:
    shape = repr(image.shape).encode()
    return hashlib.blake2b(image.tobytes(), digest_size=16, key=shape).digest()


def _evidence(
    pictures: tuple[UInt8, UInt8], features: tuple[LocalFeatures, LocalFeatures]
) -> AlignedPair | None:
    """Return the best geometry with its pixels, or None where not even a weak one is found."""
    found = _by_points(pictures, features)
    if found is not None and found.same:
        return found
    if found is not None and found.geometry.confidence >= SURE:
        # Where a texture repeats itself points can lead astray; from the other side they may not.
        turned = _exchanged(_by_points(pictures[::-1], features[::-1]))
        if turned is not None and turned.same:
            return turned
    whole = whole_picture(*pictures)
    if whole is not None:
        evidence = _examined(pictures, _whole_geometry(whole, pictures))
        if evidence.same and not evidence.low_structure:
            return evidence
    return found


def _by_points(
    pictures: tuple[UInt8, UInt8], features: tuple[LocalFeatures, LocalFeatures]
) -> AlignedPair | None:
    geometry = match_features(*features)
    if geometry is None or geometry.confidence < LIKELY:
        return None
    return _examined(pictures, geometry)


def _whole_geometry(transform: Matrix, pictures: tuple[UInt8, UInt8]) -> Geometry:
    """Return a geometry that stands on no single point, so the pixels must convince."""
    mirrored, rotation, scale = parts(transform, _size(pictures[0]))
    return Geometry(0, transform, mirrored, rotation, scale, 1.0, 1.0, 0.0, LIKELY)


def _examined(pictures: tuple[UInt8, UInt8], geometry: Geometry) -> AlignedPair:
    laid = align(*pictures, geometry.transform)
    return AlignedPair(replace(geometry, transform=laid.transform), laid, Measured(laid))


def _exchanged(evidence: AlignedPair | None) -> AlignedPair | None:
    """Look at the evidence from the second picture's side."""
    if evidence is None:
        return None
    laid = evidence.aligned
    turned = Alignment(laid.second, laid.first, laid.visible, laid.to_second, laid.to_first)
    geometry = replace(evidence.geometry, transform=turned.transform)
    return AlignedPair(geometry, turned, evidence.measured)


def _judged(
    evidence: AlignedPair | None,
    features: tuple[LocalFeatures, LocalFeatures],
    pictures: tuple[UInt8, UInt8],
) -> Comparison:
    if evidence is None:
        few = min(len(each) for each in features) < FEWEST_POINTS
        verdict = Verdict.NOT_ASSESSABLE if few else Verdict.UNRELATED
        return Comparison(verdict, None if few else 0.0, None)
    if not evidence.same:
        return Comparison(evidence.verdict, 0.5 * evidence.geometry.confidence, None)
    mask, strength = _carried(evidence, pictures[0])
    match = _match(evidence, pictures, mask)
    found = evidence.measured.residual
    change = Change(
        found.tone_change, found.noise, compared=evidence.measured.likeness.fidelity >= COMPARED
    )
    score = (0.5 + 0.5 * evidence.measured.likeness.agreement) * (1 - 0.5 * match.altered_fraction)
    return Comparison(evidence.verdict, score, match, change, mask, strength)


def _match(evidence: AlignedPair, pictures: tuple[UInt8, UInt8], mask: Mask) -> Match:
    size, other = _size(pictures[0]), _size(pictures[1])
    transform = evidence.geometry.transform
    mirrored, rotation, scale = parts(transform, size)
    query_overlap, sample_overlap = overlaps(transform, size, other)
    return Match(
        inliers=evidence.geometry.inliers,
        transform=_rows(transform),
        mirrored=mirrored,
        rotation_deg=rotation,
        scale=scale,
        query_overlap=query_overlap,
        sample_overlap=sample_overlap,
        altered_fraction=evidence.measured.residual.fraction if evidence.altered else 0.0,
        altered_boxes=_boxes(mask),
    )


def _carried(evidence: AlignedPair, picture: UInt8) -> tuple[Mask, Float32]:
    """Return the altered mask and the strength of the difference in pixels of the picture."""
    matrix = np.linalg.inv(PIXEL_CENTRE) @ evidence.aligned.to_first @ PIXEL_CENTRE
    values = (
        evidence.measured.residual.altered.astype(np.float32),
        evidence.measured.residual.strength,
    )
    mask, strength = (cv2.warpPerspective(each, matrix, _size(picture)) for each in values)
    altered = np.asarray(mask > 0.5) & evidence.altered
    return np.asarray(altered, dtype=np.bool_), np.asarray(strength, dtype=np.float32)


def _boxes(mask: Mask) -> tuple[tuple[int, int, int, int], ...]:
    """Return the boxes (x, y, w, h) of the regions, the largest first."""
    count, _, numbers, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8))
    order = 1 + np.argsort(-numbers[1:count, cv2.CC_STAT_AREA], kind="stable")[:MOST_BOXES]
    boxes: list[Any] = numbers[order, :4].tolist()
    return tuple((x, y, width, height) for x, y, width, height in boxes)


def _size(image: UInt8) -> tuple[int, int]:
    return image.shape[1], image.shape[0]


def _rows(transform: Matrix) -> tuple[tuple[float, float, float], ...]:
    return tuple((float(a), float(b), float(c)) for a, b, c in transform)
