"""What differs between two aligned pictures beyond tones, sharpness and compression."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from indexer.types import Float32
from search.verification.alignment import Mask
from search.verification.detail import Detail, detail
from search.verification.likeness import Comparable, blurred, deviation
from search.verification.tone_mapping import tone_mapped

# pixels, of luminance and the colour differences: what is finer is resampling and compression,
# which keeps colours at half the resolution or less
SMOOTHING = (1.0, 2.5, 2.5)
GATHERING = 0.006  # of the longer side: how far evidence is pooled
STRONG, WEAK = 3.6, 2.0  # times the noise: where an altered region must, and may, reach
STRONG_LEVELS, WEAK_LEVELS = 7.0, 4.0  # levels of 255, whatever the noise
SMALLEST = 0.002  # of the visible area
GAP = 0.02  # of the longer side: what lies closer belongs together
ONE_WAY = 2.5  # times the noise: tones that are known from the other picture only
ACTIVITY_BOUNDS = (0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.88, 0.94, 0.98, 1)
QUIETEST = (1.2, 0.9, 0.9)  # levels of noise in luminance and the colour differences


@dataclass(frozen=True)
class Residual:
    """How much two aligned pictures differ, on the alignment's grid.

    ``strength`` (h, w) float32 in multiples of the noise; ``altered`` (h, w) bool; ``fraction`` of
    the visible area was altered, ``compact`` of the box around what was; ``tone_change`` and
    ``noise`` are levels of 255; ``detail`` says how much of what is fine is the same.
    """

    strength: Float32
    altered: Mask
    fraction: float
    compact: float
    tone_change: float
    noise: float
    detail: Detail


def residual(pictures: Comparable) -> Residual:
    """Compare two aligned pictures of the same sharpness; tones are fitted first."""
    first, second = pictures.first, pictures.second
    visible, trusted = pictures.visible, pictures.trusted
    strength, levels = _least(
        _difference(tone_mapped(first, second, trusted), second, visible, trusted),
        _difference(tone_mapped(second, first, trusted), first, visible, trusted),
        trusted,
    )
    altered = _regions(strength, levels, visible)
    tones = np.abs(blurred(first - second, 3.0))[trusted]
    return Residual(
        strength=strength,
        altered=altered,
        fraction=float(altered.sum() / max(1, visible.sum())),
        compact=_compactness(altered),
        tone_change=float(tones.mean()) if trusted.any() else 0.0,
        noise=float(np.median(levels[trusted])) if trusted.any() else 0.0,
        detail=detail((first, second), visible, trusted, altered),
    )


def _compactness(altered: Mask) -> float:
    """Return the fraction of the box around all that was altered, 0 where nothing was."""
    _, _, width, height = cv2.boundingRect(altered.astype(np.uint8))
    return float(altered.sum() / max(1, width * height))


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
        size = np.abs(blurred(ours - theirs, smoothing))
        # An edge that only one of both has is a change: it must not teach how noisy edges are.
        activity = np.minimum(deviation(ours, 2 * smoothing), deviation(theirs, 2 * smoothing))
        energy += (size / _noise(size, activity, trusted, quietest)) ** 2
        square += size**2
    reach = max(1.2, GATHERING * max(visible.shape))
    share = np.maximum(blurred(visible.astype(np.float32), reach), 1e-3)
    pooled = [
        np.sqrt(blurred(np.where(visible, each, 0), reach) / share)
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
