"""What makes one picture a copy of another, and an altered one: the criteria of the verdict.

They look at two pictures that are aligned already, and at what is measured of them there.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from search.verdict import Verdict
from search.verification.alignment import Alignment
from search.verification.likeness import Comparable, Likeness, comparable, likeness
from search.verification.matching import Geometry
from search.verification.parallax import Parallax, parallax
from search.verification.residual import Residual, residual

SURE, LIKELY = 0.5, 0.1  # confidence of the geometry alone; with the pixels' agreement
ALTERED = 0.003  # of the visible area
# Where no point was found again and little of the area (fraction) has structure, colours are all
# that tells pictures apart: a larger tone mapping (levels of 255) leaves nothing that could.
LITTLE_STRUCTURE, SAME_TONES = 0.35, 10.0
SAME_COLOURS = 25.0  # levels of tone mapping at most, where few points were found again
# How alike two aligned pictures must be to be one. Agreement alone never makes a copy: some of it
# must be precise (fidelity, and windows of comparison side by side), and what is precise must be
# most of what is alike, the more the farther places stray from one projective map (pixels).
FEWEST_PRECISE, LEAST_FIDELITY = 12.0, 0.2
MIN_FIDELITY, MIN_FIDELITY_RATIO, NEARLY_ALL, MAP_RESIDUAL, MAP_DRIFT = 0.5, 0.93, 0.85, 0.25, 0.15
ONE_MAP, ONE_MAP_RATIO = 0.08, 0.8
NOISY_MAP, NO_DRIFT, NOISY_FIDELITY, NOISY_RATIO, UNEXPLAINED = 0.18, 0.04, 0.6, 0.8, 0.15
ALL_ALIKE, ALL_FIDELITY = 0.93, 0.35
# Where so much of what both show differs (fraction), the rest must keep to one map: the same floor
# with other things on it, photographed from one place, is much alike and mostly precisely so.
LARGELY = 0.25
# A part of both that is less than this of either takes more points that were found again.
PART, FEWEST_OF_A_PART = 0.5, 24
# On a page, where most is ground of one or two tones, the letters must be the same.
GROUND, SAME_INK = 0.6, 0.78
COVER, LEAST_INK, SAME_ELSEWHERE = 0.5, 0.5, 0.93
FILLED_IN = 5  # entries that say something else, between letters that stayed: another form


@dataclass(frozen=True)
class Measured:
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
class AlignedPair:
    """A geometry, the pixels aligned by it, and what was measured of them, from either side."""

    geometry: Geometry
    aligned: Alignment
    measured: Measured

    @property
    def verdict(self) -> Verdict:
        """What the pair is: a copy, an altered one, or similar only."""
        if not self.same:
            return Verdict.SIMILAR
        return Verdict.ALTERED_COPY if self.altered else Verdict.COPY

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
        elif self.measured.residual.fraction >= LARGELY:
            alike = self._keeps_to_one_map and not self._drifts
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
    def _drifts(self) -> bool:
        """Whether places stray together, as those of another photograph do."""
        parallax = self.measured.parallax
        return parallax is not None and (parallax.drift or 0.0) >= NO_DRIFT

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
