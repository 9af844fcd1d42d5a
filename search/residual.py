"""What differs between two aligned pictures beyond tones, sharpness and compression."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from indexer.types import Float32
from search.alignment import Alignment, Mask, correlation, grey, window_of
from search.toning import toned

# pixels, of luminance and the colour differences: what is finer is resampling and compression,
# which keeps colours at half the resolution or less
SMOOTHING = (1.0, 2.5, 2.5)
GATHERING = 0.006  # of the longer side: how far evidence is pooled
STRONG, WEAK = 3.6, 2.0  # times the noise: where an altered region must, and may, reach
STRONG_LEVELS, WEAK_LEVELS = 7.0, 4.0  # levels of 255, whatever the noise
STRUCTURE = (4.0, 1.5)  # levels of deviation; the second where hardly anything has the first
FEWEST_STRUCTURED = 0.02  # of the visible area
ALIKE, SAME = 0.6, 0.9  # local correlation
FLAT = 3.5  # levels of deviation within the window of comparison
SMALLEST = 0.002  # of the visible area
GAP = 0.02  # of the longer side: what lies closer belongs together
BLURS = (0.0, 0.6, 0.9, 1.3, 1.8, 2.5, 3.5, 5.0)
ONE_WAY = 2.5  # times the noise: tones that are known from the other picture only
ACTIVITY_BOUNDS = (0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.88, 0.94, 0.98, 1)
QUIETEST = (1.2, 0.9, 0.9)  # levels of noise in luminance and the colour differences


@dataclass(frozen=True)
class Residual:
    """How much two aligned pictures differ, on the alignment's grid.

    ``strength`` (h, w) float32 in multiples of the noise; ``altered`` (h, w) bool; ``agreement``
    the fraction of the structured visible area that shows much the same, ``fidelity`` that which
    shows precisely the same; ``structured`` and ``fraction`` are the fractions of the visible area
    that have structure and that were altered; ``tone_change`` and ``noise`` are levels of 255.
    """

    strength: Float32
    altered: Mask
    agreement: float
    fidelity: float
    structured: float
    fraction: float
    tone_change: float
    noise: float


def residual(laid: Alignment) -> Residual:
    """Compare two aligned pictures; tones and sharpness are fitted first."""
    found, _ = correlation(grey(laid.first), grey(laid.second), window=window_of(laid.visible))
    trusted = laid.visible & ((found > 0.5) | _flat(laid))
    if trusted.sum() < 0.1 * laid.visible.sum():
        trusted = laid.visible
    first, second = _equally_sharp(laid.first, laid.second, trusted)
    agreement, fidelity, structured = _likeness(first, second, laid.visible)
    strength, levels = _least(
        _difference(toned(first, second, trusted), second, laid.visible, trusted),
        _difference(toned(second, first, trusted), first, laid.visible, trusted),
        trusted,
    )
    altered = _regions(strength, levels, laid.visible)
    fraction = float(altered.sum() / max(1, laid.visible.sum()))
    tones = np.abs(_blurred(first - second, 3.0))[trusted]
    return Residual(
        strength=strength,
        altered=altered,
        agreement=agreement,
        fidelity=fidelity,
        structured=structured,
        fraction=fraction,
        tone_change=float(tones.mean()) if trusted.any() else 0.0,
        noise=float(np.median(levels[trusted])) if trusted.any() else 0.0,
    )


def _likeness(first: Float32, second: Float32, visible: Mask) -> tuple[float, float, float]:
    """Return the fractions of the structured area where the two are much, and precisely, alike.

    A wall photographed twice lies on itself much alike; only a copy does so precisely. The third
    fraction is that of the visible area that has structure.
    """
    lightness = [_blurred(grey(each), SMOOTHING[0]) for each in (first, second)]
    found, deviation = correlation(*lightness, window=window_of(visible))
    structured = visible & (deviation > STRUCTURE[0])
    if structured.sum() < FEWEST_STRUCTURED * visible.sum():
        structured = visible & (deviation > STRUCTURE[1])
    if not structured.any():
        return 0.0, 0.0, 0.0
    alike, same = (float((found[structured] > least).mean()) for least in (ALIKE, SAME))
    return alike, same, float(structured.sum() / visible.sum())


def _flat(laid: Alignment) -> Mask:
    """Where neither picture has structure that could disagree."""
    reach = window_of(laid.visible)
    deviations = [_deviation(grey(each), reach) for each in (laid.first, laid.second)]
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


def _least(
    there: tuple[Float32, Float32], back: tuple[Float32, Float32], trusted: Mask
) -> tuple[Float32, Float32]:
    """Return the smaller difference of both directions, pixel by pixel.

    Tones that were cut off, or colours that were taken away, can be told in one direction only.
    """
    noise = [float(np.median(levels[trusted])) for _, levels in (there, back)]
    if noise[0] > ONE_WAY * noise[1]:
        return back
    if noise[1] > ONE_WAY * noise[0]:
        return there
    nearer = there[0] <= back[0]
    return np.where(nearer, there[0], back[0]), np.where(nearer, there[1], back[1])


def _difference(
    source: Float32, target: Float32, visible: Mask, trusted: Mask
) -> tuple[Float32, Float32]:
    """Return the difference in multiples of the noise and in levels, both pooled locally."""
    pairs = zip(_channels(source), _channels(target), strict=True)
    energy, square = (np.zeros(visible.shape, dtype=np.float32) for _ in range(2))
    for (ours, theirs), smoothing, quietest in zip(pairs, SMOOTHING, QUIETEST, strict=True):
        size = np.abs(_blurred(ours - theirs, smoothing))
        activity = np.maximum(_deviation(ours, 2 * smoothing), _deviation(theirs, 2 * smoothing))
        energy += (size / _noise(size, activity, trusted, quietest)) ** 2
        square += size**2
    reach = max(1.2, GATHERING * max(visible.shape))
    share = np.maximum(_blurred(visible.astype(np.float32), reach), 1e-3)
    pooled = [
        np.sqrt(_blurred(np.where(visible, each, 0), reach) / share)
        for each in (energy / len(QUIETEST), square)
    ]
    return np.where(visible, pooled[0], 0), np.where(visible, pooled[1], 0)


def _noise(size: Float32, activity: Float32, trusted: Mask, quietest: float) -> Float32:
    """Return the expected difference at each pixel, learnt from the median at its activity."""
    known, edges = size[trusted], activity[trusted]
    if len(known) < 200:
        return np.full(size.shape, quietest, dtype=np.float32)
    bounds = np.quantile(edges, ACTIVITY_BOUNDS)
    bins = np.clip(np.searchsorted(bounds, edges) - 1, 0, len(bounds) - 2)
    levels = [1.4826 * np.median(known[bins == each]) for each in np.unique(bins)]
    centres = ((bounds[1:] + bounds[:-1]) / 2)[np.unique(bins)]
    rising = np.maximum.accumulate(np.array(levels))
    beyond = np.maximum(1, activity / max(float(centres[-1]), 1e-3))  # noise grows with activity
    expected = np.interp(activity, centres, rising) * beyond
    return np.asarray(np.maximum(expected, quietest), dtype=np.float32)


def _channels(image: Float32) -> tuple[Float32, Float32, Float32]:
    """Return luminance and two colour differences."""
    lightness, red, blue = cv2.split(cv2.cvtColor(image / np.float32(255), cv2.COLOR_RGB2YCrCb))
    return lightness * 255, red * 255, blue * 255


def _deviation(values: Float32, reach: float) -> Float32:
    """Return the local standard deviation."""
    mean = _blurred(values, reach)
    return np.sqrt(np.maximum(_blurred(values * values, reach) - mean * mean, 0))


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
    kept = _morphed(kept, GATHERING * side, cv2.MORPH_ERODE)  # pooling reaches over a region's rim
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
