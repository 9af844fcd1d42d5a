"""Whether the fine detail of two aligned pictures is the same: letters, not the lines they form.

Seen through a window as wide as a word, any two lines of text on the same base line are alike. What
tells them apart are the corners of letters; a ruled line or the edge of a table is like any other.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from indexer.types import Float32
from search.alignment import Mask, correlation, grey

_BLUR = 0.8  # pixels: what is finer is noise
_WINDOW = 2.0  # standard deviation of the window of comparison, in pixels
_CORNER = 7  # pixels a side
_SHARE_OF_STRONGEST, _STRONGEST = 0.15, 0.98  # what is a corner, of that quantile of the corners
_LEAST = 0.25  # of the gradient, whatever the strongest
SAME, ALIKE = 0.85, 0.7  # correlation
_REACH = 9  # pixels that an altered region reaches beyond its rim
_TONE = 8  # levels


@dataclass(frozen=True)
class Detail:
    """How much of the corners of either picture is the same in both.

    ``same`` is the fraction of all corners that both show precisely, ``elsewhere`` that of those
    outside the altered regions, ``unexplained`` the fraction of the latter that they do not even
    show alike. ``ground`` is the fraction of the area in the two most common tones: of a page of
    text it is most.
    """

    same: float
    elsewhere: float
    unexplained: float
    ground: float


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
    )


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
