"""What differs between two aligned pictures beyond tones, sharpness and compression."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from indexer.types import Float32
from search.alignment import Alignment, Mask, correlation, grey, window_of
from search.toning import toned

SMOOTHING = 1.0  # pixels: finer differences are resampling and compression
GATHERING = 0.006  # of the longer side: how far evidence is pooled
STRONG, WEAK = 3.6, 2.0  # times the noise: where an altered region must, and may, reach
STRONG_LEVELS, WEAK_LEVELS = 7.0, 4.0  # levels of 255, whatever the noise
FLAT = 3.5  # levels of deviation within the window of comparison
SMALLEST = 0.002  # of the visible area
GAP = 0.02  # of the longer side: what lies closer belongs together
BLURS = (0.0, 0.6, 0.9, 1.3, 1.8, 2.5, 3.5, 5.0)
ACTIVITY_BINS = 12
QUIETEST = (1.2, 0.9, 0.9)  # levels of noise in luminance and the colour differences


@dataclass(frozen=True)
class Residual:
    """How much two aligned pictures differ, on the alignment's grid.

    ``strength`` (h, w) float32 in multiples of the noise; ``altered`` (h, w) bool; ``agreement``
    the fraction of the structured visible area that shows the same; ``fraction`` that of the
    visible area that was altered; ``tone_change`` and ``noise`` are levels of 255.
    """

    strength: Float32
    altered: Mask
    agreement: float
    fraction: float
    tone_change: float
    noise: float


def residual(laid: Alignment) -> Residual:
    """Compare two aligned pictures; tones and sharpness are fitted first."""
    found, deviation = correlation(
        grey(laid.first), grey(laid.second), window=window_of(laid.visible)
    )
    structured = laid.visible & (deviation > 2.5)
    agreement = float((found[structured] > 0.5).mean()) if structured.any() else 0.0
    trusted = laid.visible & ((found > 0.5) | _flat(laid))
    if trusted.sum() < 0.1 * laid.visible.sum():
        trusted = laid.visible
    first, second = _equally_sharp(laid.first, laid.second, trusted)
    strength, levels = min(
        (
            _difference(toned(first, second, trusted), second, laid.visible, trusted),
            _difference(toned(second, first, trusted), first, laid.visible, trusted),
        ),
        key=lambda each: float(np.median(each[1][trusted])) if trusted.any() else 0.0,
    )
    altered = _regions(strength, levels, laid.visible)
    fraction = float(altered.sum() / max(1, laid.visible.sum()))
    tones = np.abs(_blurred(first - second, 3.0))[trusted]
    return Residual(
        strength=strength,
        altered=altered,
        agreement=agreement,
        fraction=fraction,
        tone_change=float(tones.mean()) if trusted.any() else 0.0,
        noise=float(np.median(levels[trusted])) if trusted.any() else 0.0,
    )


def _flat(laid: Alignment) -> Mask:
    """Where neither picture has structure that could disagree."""
    reach = window_of(laid.visible)
    deviations = []
    for each in (grey(laid.first), grey(laid.second)):
        mean = _blurred(each, reach)
        deviations.append(np.sqrt(np.maximum(_blurred(each * each, reach) - mean * mean, 0)))
    return np.asarray(np.maximum(*deviations) < FLAT, dtype=np.bool_)


def _equally_sharp(first: Float32, second: Float32, trusted: Mask) -> tuple[Float32, Float32]:
    """Blur the sharper of the two until both have the same fine detail."""
    details = [_detail(each, trusted) for each in (first, second)]
    sharper = 0 if details[0] > details[1] else 1
    pictures = [first, second]
    wanted = details[1 - sharper]
    best = min(
        (_blurred(pictures[sharper], blur) for blur in BLURS),
        key=lambda each: abs(np.log((_detail(each, trusted) + 0.05) / (wanted + 0.05))),
    )
    pictures[sharper] = best
    return pictures[0], pictures[1]


def _detail(image: Float32, trusted: Mask) -> float:
    """Return the share of fine in all structure, which a change of contrast leaves alone."""
    lightness = grey(image)
    fine = lightness - _blurred(lightness, 1.2)
    coarse = _blurred(lightness, 1.2) - _blurred(lightness, 6.0)
    if not trusted.any():
        return 0.0
    return float(np.abs(fine[trusted]).mean() / (np.abs(coarse[trusted]).mean() + 0.5))


def _difference(
    source: Float32, target: Float32, visible: Mask, trusted: Mask
) -> tuple[Float32, Float32]:
    """Return the difference in multiples of the noise and in levels, both pooled locally."""
    apart = _opponent(_blurred(source, SMOOTHING) - _blurred(target, SMOOTHING))
    activity = np.maximum(_activity(source), _activity(target))
    energy = np.zeros(visible.shape, dtype=np.float32)
    for channel, quietest in enumerate(QUIETEST):
        size = np.abs(apart[..., channel])
        energy += (size / _noise(size, activity, trusted, quietest)) ** 2
    reach = max(1.2, GATHERING * max(visible.shape))
    share = np.maximum(_blurred(visible.astype(np.float32), reach), 1e-3)
    pooled = [
        np.sqrt(_blurred(np.where(visible, each, 0), reach) / share)
        for each in (energy / len(QUIETEST), (apart**2).sum(axis=2))
    ]
    return np.where(visible, pooled[0], 0), np.where(visible, pooled[1], 0)


def _noise(size: Float32, activity: Float32, trusted: Mask, quietest: float) -> Float32:
    """Return the expected difference at each pixel, learnt from the median at its activity."""
    known, edges = size[trusted], activity[trusted]
    if len(known) < 200:
        return np.full(size.shape, quietest, dtype=np.float32)
    bounds = np.quantile(edges, np.linspace(0, 1, ACTIVITY_BINS + 1))
    bins = np.clip(np.searchsorted(bounds, edges) - 1, 0, ACTIVITY_BINS - 1)
    levels = [1.4826 * np.median(known[bins == each]) for each in range(ACTIVITY_BINS)]
    centres = (bounds[1:] + bounds[:-1]) / 2
    rising = np.maximum.accumulate(np.nan_to_num(np.array(levels)))
    expected = np.interp(activity, centres, rising)
    return np.asarray(np.maximum(expected, quietest), dtype=np.float32)


def _opponent(image: Float32) -> Float32:
    """Return luminance and two colour differences."""
    matrix = np.array(
        [[0.299, 0.587, 0.114], [-0.169, -0.331, 0.5], [0.5, -0.419, -0.081]], dtype=np.float32
    )
    return np.asarray(image @ matrix.T)


def _activity(image: Float32) -> Float32:
    lightness = _blurred(grey(image), SMOOTHING)
    slope = np.hypot(cv2.Sobel(lightness, cv2.CV_32F, 1, 0), cv2.Sobel(lightness, cv2.CV_32F, 0, 1))
    return _blurred(np.asarray(slope, dtype=np.float32), 1.5)


def _regions(strength: Float32, levels: Float32, visible: Mask) -> Mask:
    """Return the regions that reach the strong threshold somewhere, out to the weak one."""
    strong = (strength > STRONG) & (levels > STRONG_LEVELS)
    weak = (strength > WEAK) & (levels > WEAK_LEVELS)
    side = max(visible.shape)
    strong = _opened(strong, 0.004 * side)
    _, labels = cv2.connectedComponents(weak.astype(np.uint8))
    reached = np.unique(labels[strong])
    kept = np.isin(labels, reached[reached > 0])
    kept = _filled(_closed(_opened(kept, 0.004 * side), GAP * side) & visible)
    return _large(kept & visible, SMALLEST * float(visible.sum()))


def _large(mask: Mask, smallest: float) -> Mask:
    count, labels, numbers, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8))
    keep = np.array([place > 0 and numbers[place, 4] >= smallest for place in range(count)])
    return np.asarray(keep[labels], dtype=np.bool_)


def _filled(mask: Mask) -> Mask:
    """Fill the holes of each region."""
    outlines, _ = cv2.findContours(mask.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    filled = np.zeros(mask.shape, dtype=np.uint8)
    cv2.drawContours(filled, outlines, -1, 1, thickness=cv2.FILLED)
    return np.asarray(filled > 0, dtype=np.bool_)


def _opened(mask: Mask, radius: float) -> Mask:
    return _morphed(mask, radius, cv2.MORPH_OPEN)


def _closed(mask: Mask, radius: float) -> Mask:
    return _morphed(mask, radius, cv2.MORPH_CLOSE)


def _morphed(mask: Mask, radius: float, operation: int) -> Mask:
    width = 2 * max(1, round(radius)) + 1
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (width, width))
    return np.asarray(cv2.morphologyEx(mask.astype(np.uint8), operation, disc) > 0)


def _blurred(values: Float32, blur: float) -> Float32:
    if blur <= 0:
        return values
    return np.asarray(cv2.GaussianBlur(values, (0, 0), blur), dtype=np.float32)
