"""Whether one picture is a copy of another, and what was changed in it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import cv2
import numpy as np
from PIL import Image

from indexer.types import Float32, UInt8
from search.alignment import Alignment, Mask, align
from search.description import Change, described
from search.features import LocalFeatures, local_features
from search.residual import Residual, residual
from search.results import Match
from search.steadiness import wandering
from search.thumbnails import whole_picture
from search.transforms import PIXEL_CENTRE, Matrix, overlaps, parts
from search.verdict import Verdict
from search.verify import Geometry, match_features

FEWEST_POINTS = 16
SURE, LIKELY = 0.5, 0.1  # confidence of the geometry alone; with the pixels' agreement
CONVINCING = 0.5  # precisely the same, where the geometry is no evidence
ALTERED = 0.003  # of the visible area
# Where no point was found again and little of the area (fraction) has structure, colours are all
# that tells pictures apart: a larger change of tones (levels of 255) leaves nothing that could.
LITTLE_STRUCTURE, SAME_TONES = 0.35, 10.0
MOST_BOXES = 12
# pixels that places wander from one projective map: those of a copy at most, where there is other
# evidence for it, and where there is hardly any
STEADY, ASTRAY = 0.105, 0.5


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
    description: str
    altered_mask: Mask | None = None
    strength: Float32 | None = None


@dataclass(frozen=True)
class _Bar:
    """How alike two pictures must be to be one: much over all, or precisely where at all.

    ``much`` is the least agreement, ``precise`` the least fidelity (see `Residual`) and ``pure``
    the least share of the former that is the latter: where a copy was covered, the rest still is
    a copy's.
    """

    much: float
    precise: float
    pure: float

    def passed(self, found: Residual) -> bool:
        """Whether two pictures are as alike as that."""
        precise = found.fidelity >= max(self.precise, self.pure * found.agreement)
        return precise or found.agreement >= self.much


# Copies pass even if half of them was covered or compression was harsh. What does not keep steadily
# to one projective map, as a floor does not that was photographed twice, must be nearer than that.
_STEADY_BAR = _Bar(much=0.7, precise=0.2, pure=0.8)
_ANY_BAR = _Bar(much=0.93, precise=0.37, pure=0.93)


@dataclass(frozen=True)
class _Evidence:
    """A geometry, and the pixels laid onto each other by it."""

    geometry: Geometry
    laid: Alignment
    residual: Residual

    @property
    def same(self) -> bool:
        """Whether both show the same picture."""
        found = self.residual
        if self.geometry.confidence < SURE:
            return found.fidelity >= CONVINCING and (self._wandering or 0.0) < ASTRAY
        return _ANY_BAR.passed(found) or (_STEADY_BAR.passed(found) and self._steady)

    @property
    def _steady(self) -> bool:
        return self._wandering is not None and self._wandering < STEADY

    @cached_property
    def _wandering(self) -> float | None:
        return wandering(self.laid)

    @property
    def bare(self) -> bool:
        """Whether there is nothing but a few edges that the pictures could differ in."""
        found = self.residual
        return found.structured < LITTLE_STRUCTURE and found.tone_change > SAME_TONES

    @property
    def altered(self) -> bool:
        """Whether the content changed within what both show."""
        return self.residual.fraction >= ALTERED


def compare_images(
    a: Image.Image,
    b: Image.Image,
    *,
    same_bytes: bool = False,
    features: tuple[LocalFeatures, LocalFeatures] | None = None,
) -> Comparison:
    """Say whether one picture is a copy of the other, and where its content was altered.

    Both are upright RGB. The verdict is the same with the two exchanged, since they are always
    compared in one order, that of their pixels' digests. ``features`` saves finding them again.
    """
    first, second = (np.asarray(each.convert("RGB")) for each in (a, b))
    if same_bytes or (first.shape == second.shape and np.array_equal(first, second)):
        return _identical(first)
    found = features or (local_features(first), local_features(second))
    if _digest(first) <= _digest(second):
        evidence = _evidence((first, second), found)
        return _judged(evidence, found, (first, second))
    evidence = _evidence((second, first), found[::-1])
    return _judged(_exchanged(evidence), found, (first, second))


def _identical(image: UInt8) -> Comparison:
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
    words = described(Verdict.EXACT, match)
    return Comparison(Verdict.EXACT, 1.0, match, words, nothing > 0, nothing)


def _digest(image: UInt8) -> bytes:
    shape = repr(image.shape).encode()
    return hashlib.blake2b(image.tobytes(), digest_size=16, key=shape).digest()


def _evidence(
    pictures: tuple[UInt8, UInt8], features: tuple[LocalFeatures, LocalFeatures]
) -> _Evidence | None:
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
        if evidence.same and not evidence.bare:
            return evidence
    return found


def _by_points(
    pictures: tuple[UInt8, UInt8], features: tuple[LocalFeatures, LocalFeatures]
) -> _Evidence | None:
    geometry = match_features(*features)
    if geometry is None or geometry.confidence < LIKELY:
        return None
    return _examined(pictures, geometry)


def _whole_geometry(transform: Matrix, pictures: tuple[UInt8, UInt8]) -> Geometry:
    """Return a geometry that stands on no single point, so the pixels must convince."""
    mirrored, rotation, scale = parts(transform, _size(pictures[0]))
    return Geometry(0, transform, mirrored, rotation, scale, 1.0, 1.0, 0.0, LIKELY)


def _examined(pictures: tuple[UInt8, UInt8], geometry: Geometry) -> _Evidence:
    laid = align(*pictures, geometry.transform)
    return _Evidence(replace(geometry, transform=laid.transform), laid, residual(laid))


def _exchanged(evidence: _Evidence | None) -> _Evidence | None:
    """Look at the evidence from the second picture's side."""
    if evidence is None:
        return None
    laid = evidence.laid
    turned = Alignment(laid.second, laid.first, laid.visible, laid.to_second, laid.to_first)
    geometry = replace(evidence.geometry, transform=turned.transform)
    return _Evidence(geometry, turned, evidence.residual)


def _judged(
    evidence: _Evidence | None,
    features: tuple[LocalFeatures, LocalFeatures],
    pictures: tuple[UInt8, UInt8],
) -> Comparison:
    if evidence is None:
        few = min(len(each) for each in features) < FEWEST_POINTS
        verdict = Verdict.NOT_ASSESSABLE if few else Verdict.UNRELATED
        return Comparison(verdict, None if few else 0.0, None, described(verdict, None))
    if not evidence.same:
        score = 0.5 * evidence.geometry.confidence
        return Comparison(Verdict.SIMILAR, score, None, described(Verdict.SIMILAR, None))
    verdict = Verdict.ALTERED_COPY if evidence.altered else Verdict.COPY
    mask, strength = _carried(evidence, pictures[0])
    match = _match(evidence, pictures, mask)
    change = Change(evidence.residual.tone_change, evidence.residual.noise)
    score = (0.5 + 0.5 * evidence.residual.agreement) * (1 - 0.5 * match.altered_fraction)
    words = described(verdict, match, change)
    return Comparison(verdict, score, match, words, mask, strength)


def _match(evidence: _Evidence, pictures: tuple[UInt8, UInt8], mask: Mask) -> Match:
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
        altered_fraction=evidence.residual.fraction if evidence.altered else 0.0,
        altered_boxes=_boxes(mask),
    )


def _carried(evidence: _Evidence, picture: UInt8) -> tuple[Mask, Float32]:
    """Return the altered mask and the strength of the difference in pixels of the picture."""
    matrix = np.linalg.inv(PIXEL_CENTRE) @ evidence.laid.to_first @ PIXEL_CENTRE
    values = evidence.residual.altered.astype(np.float32), evidence.residual.strength
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
