"""Whether one picture is a copy of another, and what was changed in it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from functools import cached_property
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
from search.verification.likeness import Comparable, Likeness, comparable, likeness
from search.verification.matching import Geometry, match_features
from search.verification.parallax import Parallax, parallax
from search.verification.residual import Residual, residual
from search.verification.transforms import PIXEL_CENTRE, Matrix, overlaps, parts
from search.verification.whole_image import whole_picture

FEWEST_POINTS = 16
SURE, LIKELY = 0.5, 0.1  # confidence of the geometry alone; with the pixels' agreement
ALTERED = 0.003  # of the visible area
# Where no point was found again and little of the area (fraction) has structure, colours are all
# that tells pictures apart: a larger tone mapping (levels of 255) leaves nothing that could.
LITTLE_STRUCTURE, SAME_TONES = 0.35, 10.0
SAME_COLOURS = 25.0  # levels of tone mapping at most, where few points were found again
MOST_BOXES = 12

# How alike two aligned pictures must be to be one. Agreement alone never makes a copy: some of it
# must be precise (fidelity, and windows of comparison side by side), and what is precise must be
# most of what is alike, the more the farther places stray from one projective map (pixels).
FEWEST_PRECISE, LEAST_FIDELITY = 12.0, 0.2
MIN_FIDELITY, MIN_FIDELITY_RATIO, NEARLY_ALL, MAP_RESIDUAL, MAP_DRIFT = 0.5, 0.93, 0.85, 0.25, 0.15
ONE_MAP, ONE_MAP_RATIO = 0.08, 0.8
NOISY_MAP, NO_DRIFT, NOISY_FIDELITY, NOISY_RATIO, UNEXPLAINED = 0.18, 0.04, 0.6, 0.8, 0.15
ALL_ALIKE, ALL_FIDELITY = 0.93, 0.35
# A part of both that is less than this of either takes more points that were found again.
PART, FEWEST_OF_A_PART = 0.5, 24
# On a page, where most is ground of one or two tones, the letters must be the same.
GROUND, SAME_INK = 0.6, 0.78
COVER, LEAST_INK, SAME_ELSEWHERE = 0.5, 0.5, 0.93
FILLED_IN = 5  # entries that say something else, between letters that stayed: another form
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


@dataclass(frozen=True)
class _Measured:
    """What is measured of two aligned pictures: each only where it is asked for, and once."""

    aligned: Alignment

    @cached_property
    def likeness(self) -> Likeness:
        """How alike the pictures are; the rest is only looked at where that may be enough."""
        return likeness(self._comparable)

    @cached_property
    def residual(self) -> Residual:
        """What differs between them."""
        return residual(self._comparable)

    @cached_property
    def parallax(self) -> Parallax | None:
        """How far places stray from one projective map."""
        return parallax(self.aligned)

    @cached_property
    def _comparable(self) -> Comparable:
        return comparable(self.aligned)


@dataclass(frozen=True)
class _Evidence:
    """A geometry, the pixels aligned by it, and what was measured of them, from either side."""

    geometry: Geometry
    aligned: Alignment
    measured: _Measured

    @cached_property
    def same(self) -> bool:
        """Whether both show the same picture."""
        found = self.measured.likeness
        if found.precise < FEWEST_PRECISE or found.fidelity < LEAST_FIDELITY:
            return False
        if self._is_small and self.geometry.inliers < FEWEST_OF_A_PART:
            return False
        if self.geometry.confidence < SURE:
            alike = found.fidelity >= MIN_FIDELITY and self._is_sure_without_points
        else:
            alike = self._is_faithful or self._keeps_to_one_map or self._has_no_parallax
        return alike and not self._is_other_text

    @property
    def _is_other_text(self) -> bool:
        """Whether both are pages, of one layout perhaps, with other letters on them.

        A page that was covered in one place has the same letters everywhere else; a form filled
        in anew has them too, but other ones in many places between.
        """
        found = self.measured.residual.detail
        if found.ground > GROUND and found.rewritten >= FILLED_IN:
            return True
        covered = self.measured.residual.compact >= COVER and found.same >= LEAST_INK
        same = found.same >= SAME_INK or (covered and found.elsewhere >= SAME_ELSEWHERE)
        return found.ground > GROUND and not same

    @property
    def _is_sure_without_points(self) -> bool:
        """Whether places or colours say what the geometry does not: two flags are not one."""
        if self._keeps_to_one_map:
            return True
        return not self._is_another_view and self.measured.residual.tone_change <= SAME_COLOURS

    @property
    def _is_small(self) -> bool:
        """Whether it is a small part of either picture that both would share."""
        return max(self.geometry.query_overlap, self.geometry.sample_overlap) < PART

    @property
    def _is_faithful(self) -> bool:
        """Whether nearly all that is alike at all is precisely so.

        Where that is nearly everything, places may stray as motion compensation lets them.
        """
        found = self.measured.likeness
        precise = found.fidelity >= max(MIN_FIDELITY, MIN_FIDELITY_RATIO * found.agreement)
        return precise and (found.fidelity >= NEARLY_ALL or not self._is_another_view)

    @property
    def _keeps_to_one_map(self) -> bool:
        """Whether the places are where a homography takes them; half may be covered then."""
        parallax = self.measured.parallax
        if parallax is None or parallax.residual >= ONE_MAP:
            return False
        return self.measured.likeness.fidelity >= ONE_MAP_RATIO * self.measured.likeness.agreement

    @property
    def _has_no_parallax(self) -> bool:
        """Whether places miss the map by chance alone, as harsh compression makes them do.

        A floor photographed twice from one place may do so too, with other things on it: either
        all of it is much alike, or much of it precisely the same.
        """
        parallax, found = self.measured.parallax, self.measured.likeness
        if parallax is None or parallax.drift is None:
            return False
        if parallax.residual >= NOISY_MAP or parallax.drift >= NO_DRIFT:
            return False
        if found.agreement >= ALL_ALIKE:
            return found.fidelity >= ALL_FIDELITY
        needed = max(NOISY_FIDELITY, NOISY_RATIO * found.agreement)
        return found.fidelity >= needed and self._is_explained

    @property
    def _is_explained(self) -> bool:
        """Whether what is not alike lies where something was altered."""
        return self.measured.residual.detail.unexplained <= UNEXPLAINED

    @property
    def _is_another_view(self) -> bool:
        parallax = self.measured.parallax
        if parallax is None:
            return False
        return parallax.residual >= MAP_RESIDUAL or (parallax.drift or 0.0) >= MAP_DRIFT

    @property
    def low_structure(self) -> bool:
        """Whether there is nothing but a few edges that the pictures could differ in."""
        little = self.measured.likeness.structured < LITTLE_STRUCTURE
        return little and self.measured.residual.tone_change > SAME_TONES

    @property
    def altered(self) -> bool:
        """Whether the content changed within what both show."""
        return self.measured.residual.fraction >= ALTERED


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
        if evidence.same and not evidence.low_structure:
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
    return _Evidence(replace(geometry, transform=laid.transform), laid, _Measured(laid))


def _exchanged(evidence: _Evidence | None) -> _Evidence | None:
    """Look at the evidence from the second picture's side."""
    if evidence is None:
        return None
    laid = evidence.aligned
    turned = Alignment(laid.second, laid.first, laid.visible, laid.to_second, laid.to_first)
    geometry = replace(evidence.geometry, transform=turned.transform)
    return _Evidence(geometry, turned, evidence.measured)


def _judged(
    evidence: _Evidence | None,
    features: tuple[LocalFeatures, LocalFeatures],
    pictures: tuple[UInt8, UInt8],
) -> Comparison:
    if evidence is None:
        few = min(len(each) for each in features) < FEWEST_POINTS
        verdict = Verdict.NOT_ASSESSABLE if few else Verdict.UNRELATED
        return Comparison(verdict, None if few else 0.0, None)
    if not evidence.same:
        return Comparison(Verdict.SIMILAR, 0.5 * evidence.geometry.confidence, None)
    verdict = Verdict.ALTERED_COPY if evidence.altered else Verdict.COPY
    mask, strength = _carried(evidence, pictures[0])
    match = _match(evidence, pictures, mask)
    found = evidence.measured.residual
    change = Change(
        found.tone_change, found.noise, compared=evidence.measured.likeness.fidelity >= COMPARED
    )
    score = (0.5 + 0.5 * evidence.measured.likeness.agreement) * (1 - 0.5 * match.altered_fraction)
    return Comparison(verdict, score, match, change, mask, strength)


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
        altered_fraction=evidence.measured.residual.fraction if evidence.altered else 0.0,
        altered_boxes=_boxes(mask),
    )


def _carried(evidence: _Evidence, picture: UInt8) -> tuple[Mask, Float32]:
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
