"""How alike two aligned pictures are, before anything is said of what was altered."""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np

from indexer.types import Float32
from search.verification.alignment import Alignment, Mask, correlation, grey, window_of

BLUR = 1.0  # pixels: what is finer is resampling and compression
STRUCTURE = (4.0, 1.5)  # levels of deviation; the second where hardly anything has the first
FEWEST_STRUCTURED = 0.02  # of the visible area
ALIKE, SAME = 0.6, 0.9  # local correlation
TRUSTED = 0.5  # local correlation from which a place tells of tones, sharpness and noise
FEWEST_TRUSTED = 0.1  # of the visible area
FLAT = 3.5  # levels of deviation within the window of comparison
BLURS = (0.0, 0.6, 0.9, 1.3, 1.8, 2.5, 3.5, 5.0)


@dataclass(frozen=True)
class Comparable:
    """Two aligned pictures (h, w, 3) float32 of the same sharpness.

    ``visible`` is where both show something, ``trusted`` where they show much the same.
    """

    first: Float32
    second: Float32
    visible: Mask
    trusted: Mask


@dataclass(frozen=True)
class Likeness:
    """How alike two pictures are where they have structure.

    ``agreement`` is the fraction of the structured visible area that shows much the same,
    ``fidelity`` that which shows precisely the same, ``structured`` the fraction of the visible
    area that has structure. ``precise`` counts the windows of comparison, side by side, that show
    precisely the same. A wall photographed twice is much alike; only a copy is so precisely.
    """

    agreement: float
    fidelity: float
    structured: float
    precise: float


def comparable(aligned: Alignment) -> Comparable:
    """Blur the sharper of two aligned pictures until both have the same fine detail."""
    first, second, visible = aligned.first, aligned.second, aligned.visible
    found, _ = correlation(grey(first), grey(second), window=window_of(visible))
    trusted = visible & ((found > TRUSTED) | _flat(aligned))
    if trusted.sum() < FEWEST_TRUSTED * visible.sum():
        trusted = visible
    return Comparable(*_equally_sharp(first, second, trusted), visible, trusted)


def likeness(pictures: Comparable) -> Likeness:
    """Measure how alike two pictures are, by the correlation of their luminance."""
    visible = pictures.visible
    lightness = [blurred(grey(each), BLUR) for each in (pictures.first, pictures.second)]
    found, deviation = correlation(lightness[0], lightness[1], window=window_of(visible))
    structured = visible & (deviation > STRUCTURE[0])
    if structured.sum() < FEWEST_STRUCTURED * visible.sum():
        structured = visible & (deviation > STRUCTURE[1])
    if not structured.any():
        return Likeness(0.0, 0.0, 0.0, 0.0)
    same = structured & (found > SAME)
    return Likeness(
        agreement=float((found[structured] > ALIKE).mean()),
        fidelity=float(same.sum() / structured.sum()),
        structured=float(structured.sum() / visible.sum()),
        precise=float(same.sum() / (2 * math.pi * window_of(visible) ** 2)),
    )


def deviation(values: Float32, reach: float) -> Float32:
    """Return the local standard deviation."""
    mean = blurred(values, reach)
    return np.sqrt(np.maximum(blurred(values * values, reach) - mean * mean, 0))


def blurred(values: Float32, blur: float) -> Float32:
    """Return values (h, w) or (h, w, c) after a Gaussian blur of so many pixels."""
    if blur <= 0:
        return values
    return np.asarray(cv2.GaussianBlur(values, (0, 0), blur), dtype=np.float32)


def _flat(aligned: Alignment) -> Mask:
    """Where neither picture has structure that could disagree."""
    reach = window_of(aligned.visible)
    deviations = [deviation(grey(each), reach) for each in (aligned.first, aligned.second)]
    return np.asarray(np.maximum(*deviations) < FLAT, dtype=np.bool_)


def _equally_sharp(first: Float32, second: Float32, trusted: Mask) -> tuple[Float32, Float32]:
    """Blur the sharper of the two until both have the same fine detail."""
    details = [_detail(each, trusted) for each in (first, second)]
    sharper = 0 if details[0] > details[1] else 1
    pictures = [first, second]
    wanted = details[1 - sharper]
    best = min(
        (blurred(pictures[sharper], blur) for blur in BLURS),
        key=lambda each: abs(np.log((_detail(each, trusted) + 0.05) / (wanted + 0.05))),
    )
    pictures[sharper] = best
    return pictures[0], pictures[1]


def _detail(image: Float32, trusted: Mask) -> float:
    """Return the share of fine in all structure, which a change of contrast leaves alone."""
    lightness = grey(image)
    fine = lightness - blurred(lightness, 1.2)
    coarse = blurred(lightness, 1.2) - blurred(lightness, 6.0)
    if not trusted.any():
        return 0.0
    return float(np.abs(fine[trusted]).mean() / (np.abs(coarse[trusted]).mean() + 0.5))
