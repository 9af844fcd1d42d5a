"""Whether the fine detail of two aligned pictures is the same: letters, not the lines they form.

Seen through a window as wide as a word, any two lines of text on the same base line are alike. What
tells them apart are the corners of letters; a ruled line or the edge of a table is like any other.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from indexer.types import Float32
from search.verification.alignment import Mask, correlation, grey

_BLUR = 0.8  # pixels: what is finer is noise
_WINDOW = 2.0  # standard deviation of the window of comparison, in pixels
_CORNER = 7  # pixels a side
_SHARE_OF_STRONGEST, _STRONGEST = 0.15, 0.98  # what is a corner, of that quantile of the corners
_LEAST = 0.25  # of the gradient, whatever the strongest
SAME, ALIKE = 0.85, 0.7  # correlation
_REACH = 9  # pixels that an altered region reaches beyond its rim
_TONE = 8  # levels
_LINE = (0.004, 0.03)  # of the longer side, height and width: letters that are one entry
_LETTERS = 30  # pixels of corners: fewer are no entry
_UNCHANGED = 16.0  # levels
_PAPER = 0.65  # of an entry's box: what lies around letters, and would be covered with them
_BOTH_WAYS = 0.1  # of what became darker in an entry, or as much of what became lighter
_BETWEEN = 0.05  # of the corners around the entries: letters that stayed


@dataclass(frozen=True)
class Detail:
    """How much of the corners of either picture is the same in both.

    ``same`` is the fraction of all corners that both show precisely, ``elsewhere`` that of those
    outside the altered regions, ``unexplained`` the fraction of the latter that they do not even
    show alike. ``ground`` is the fraction of the area in the two most common tones: of a page of
    text it is most. ``rewritten`` counts the entries that say something else, as in a form filled
    in anew, where letters that stayed stand between them; what was only covered is none.
    """

    same: float
    elsewhere: float
    unexplained: float
    ground: float
    rewritten: int


def detail(
    pictures: tuple[Float32, Float32], visible: Mask, trusted: Mask, altered: Mask
) -> Detail:
    """Compare two pictures (h, w, 3) of the same sharpness, aligned, where both are ``visible``."""
    first, second = (
        np.asarray(cv2.GaussianBlur(grey(each), (0, 0), _BLUR), dtype=np.float32)
        for each in pictures
    )
    found, _ = correlation(first, second, window=_WINDOW)
    corners = visible & _corners(first, second, visible, trusted)
    reach = cv2.dilate(altered.astype(np.uint8), np.ones((_REACH, _REACH), np.uint8)) > 0
    outside = corners & ~reach
    return Detail(
        same=float((found[corners] > SAME).mean()) if corners.any() else 0.0,
        elsewhere=float((found[outside] > SAME).mean()) if outside.any() else 0.0,
        unexplained=float((found[outside] <= ALIKE).mean()) if outside.any() else 0.0,
        ground=min(_ground(grey(each)[visible]) for each in pictures) if visible.any() else 0.0,
        rewritten=_rewritten(
            first - second - _middle(first - second, visible),
            changed=altered & corners & (found <= ALIKE),
            stayed=corners & ~altered & (found > SAME),
        ),
    )


def _rewritten(change: Float32, *, changed: Mask, stayed: Mask) -> int:
    """Count the entries of a form whose letters are gone and others are there; 0 for one block.

    ``change`` (h, w) is the difference in levels. What was covered, or written upon, became darker
    only, or lighter only.
    """
    height, width = (max(1, round(share * max(changed.shape))) for share in _LINE)
    joined = cv2.dilate(changed.astype(np.uint8), np.ones((height, width), np.uint8))
    count, labels, boxes, _ = cv2.connectedComponentsWithStats(joined)
    letters = np.bincount(labels[changed], minlength=count)
    ways = [np.bincount(labels[each > _UNCHANGED], minlength=count) for each in (change, -change)]
    both = np.minimum(*ways) >= _BOTH_WAYS * np.maximum(*ways)
    entries = np.flatnonzero((letters >= _LETTERS) & both)
    places = [_box(boxes[one].tolist()) for one in entries if one > 0]
    places = [one for one in places if (np.abs(change[one]) < _UNCHANGED).mean() >= _PAPER]
    if not places:
        return 0
    around = tuple(
        slice(min(one[axis].start for one in places), max(one[axis].stop for one in places))
        for axis in (0, 1)
    )
    kept, other = int(stayed[around].sum()), int(changed[around].sum())
    return len(places) if kept >= _BETWEEN * (kept + other) else 0


def _middle(values: Float32, visible: Mask) -> np.float32:
    return np.float32(np.median(values[visible])) if visible.any() else np.float32(0)


def _box(stats: Sequence[int]) -> tuple[slice, slice]:
    left, top, width, height = stats[:4]
    return slice(top, top + height), slice(left, left + width)


def _corners(first: Float32, second: Float32, visible: Mask, trusted: Mask) -> Mask:
    """Return where either picture has structure in two directions; contrasts are evened first."""
    strengths = [np.sqrt(np.maximum(cv2.cornerMinEigenVal(each, _CORNER), 0))
                 for each in (first, second)]  # fmt: skip
    common = [float(each[trusted].mean()) + 1e-3 if trusted.any() else 1.0 for each in strengths]
    stronger = np.maximum(strengths[0], strengths[1] * (common[0] / common[1]))
    strongest = float(np.quantile(stronger[visible], _STRONGEST)) if visible.any() else 0.0
    return np.asarray(stronger > max(_SHARE_OF_STRONGEST * strongest, _LEAST), dtype=np.bool_)


def _ground(lightness: Float32) -> float:
    tones = np.bincount((np.clip(lightness, 0, 255) / _TONE).astype(np.int64))
    return float(np.sort(tones)[-2:].sum() / max(1, tones.sum()))
