"""Two pictures laid onto each other, pixel by pixel, at the resolution both support."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from indexer.types import Float32, UInt8
from search.verification.transforms import (
    PIXEL_CENTRE,
    Linear,
    Matrix,
    applied,
    corners_of,
    parts,
    plausible,
)

LONGEST_SIDE = 640
ROOM = 2  # pixels around the common area that are not judged: resampling reaches over edges
STEPS = 40
LARGEST_CORRECTION = 0.02  # of the longer side: refinement corrects, it does not search
WINDOW = 0.02  # of the longer side: where two pictures are compared locally

Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Alignment:
    """The common area of two pictures, as each shows it, on one grid.

    ``first`` and ``second`` (h, w, 3) float32 in 0..255; ``visible`` (h, w) where both show
    something; ``to_first`` and ``to_second`` (3, 3) take the grid's pixels to the pictures'.
    """

    first: Float32
    second: Float32
    visible: Mask
    to_first: Matrix
    to_second: Matrix

    @property
    def transform(self) -> Matrix:
        """First to second, in pixels from the corner of the first one."""
        result = self.to_second @ np.linalg.inv(self.to_first)
        return np.asarray(result / result[2, 2], dtype=np.float64)


def align(first: UInt8, second: UInt8, transform: Matrix, *, refine: bool = True) -> Alignment:
    """Lay two RGB pictures (h, w, 3) onto each other; ``transform`` takes the first to the second.

    The grid is that of the coarser picture, cut to the common area. Refinement maximises the
    enhanced correlation coefficient (Evangelidis and Psarakis 2008) where the two agree already.
    """
    laid = _laid(first, second, transform)
    if not refine or not laid.visible.any():
        return laid
    correction = _correction(laid)
    if correction is None:
        return laid
    corrected = laid.to_second @ correction @ np.linalg.inv(laid.to_first)
    if not _same_kind(corrected, transform, first):
        return laid
    better = _laid(first, second, corrected / corrected[2, 2])
    return better if _agreement(better) >= _agreement(laid) else laid


def correlation(first: Float32, second: Float32, *, window: float) -> tuple[Float32, Float32]:
    """Return the local correlation (h, w) of two grey pictures, and the smaller deviation there."""
    means = [_mean(each, window) for each in (first, second)]
    variances = [
        np.maximum(_mean(each * each, window) - mean * mean, 0)
        for each, mean in zip((first, second), means, strict=True)
    ]
    common = _mean(first * second, window) - means[0] * means[1]
    # one level of noise: flat places correlate with nothing
    found = common / (np.sqrt((variances[0] + 1) * (variances[1] + 1)))
    return found, np.sqrt(np.minimum(*variances))


def grey(image: Float32) -> Float32:
    """Return luminance (h, w) of an RGB picture."""
    return np.asarray(image @ np.array([0.299, 0.587, 0.114], dtype=np.float32), dtype=np.float32)


def window_of(visible: Mask) -> float:
    """Return the standard deviation, in pixels, of the window of local comparison."""
    return float(max(2.0, WINDOW * max(visible.shape) / 2))


def _mean(values: Float32, window: float) -> Float32:
    return np.asarray(cv2.GaussianBlur(values, (0, 0), window), dtype=np.float32)


def _laid(first: UInt8, second: UInt8, transform: Matrix) -> Alignment:
    sizes = [(each.shape[1], each.shape[0]) for each in (first, second)]
    _, _, scale = parts(transform, sizes[0])
    if scale >= 1:
        to_first, shape = _grid(sizes[0], sizes[1], transform)
        to_second = transform @ to_first
    else:
        to_second, shape = _grid(sizes[1], sizes[0], np.linalg.inv(transform))
        to_first = np.linalg.inv(transform) @ to_second
    seen = [_sampled(each, to, shape) for each, to in ((first, to_first), (second, to_second))]
    return Alignment(seen[0][0], seen[1][0], seen[0][1] & seen[1][1], to_first, to_second)


def _grid(
    size: tuple[int, int], other: tuple[int, int], transform: Linear
) -> tuple[Matrix, tuple[int, int]]:
    """Return the grid over the part of a picture that the other covers, and its (h, w)."""
    covered = applied(np.linalg.inv(transform), corners_of(other))
    low = np.clip(np.floor(covered.min(axis=0)), 0, np.array(size) - 1)
    high = np.clip(np.ceil(covered.max(axis=0)), low + 1, size)
    step = max(1.0, float((high - low).max()) / LONGEST_SIDE)
    shape = tuple(int(np.ceil(each / step)) for each in (high - low)[::-1])
    matrix = np.array([[step, 0, float(low[0])], [0, step, float(low[1])], [0, 0, 1.0]])
    return matrix, (shape[0], shape[1])


def _sampled(image: UInt8, to_image: Matrix, shape: tuple[int, int]) -> tuple[Float32, Mask]:
    """Read a picture on the grid, and where the grid lies within it."""
    height, width = image.shape[:2]
    _, _, step = parts(to_image, (shape[1], shape[0]))
    if step > 1.1:  # average what falls into one pixel of the grid
        size = (max(1, round(width / step)), max(1, round(height / step)))
        shrink = np.diag([size[0] / width, size[1] / height, 1.0])
        image = np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), dtype=np.uint8)
        to_image = shrink @ to_image
    matrix = np.linalg.inv(PIXEL_CENTRE) @ to_image @ PIXEL_CENTRE
    flags = cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP
    size = (shape[1], shape[0])
    values = cv2.warpPerspective(image, matrix, size, flags=flags, borderMode=cv2.BORDER_REPLICATE)
    inside = np.zeros(image.shape[:2], dtype=np.uint8)
    inside[ROOM:-ROOM, ROOM:-ROOM] = 1
    seen = cv2.warpPerspective(inside, matrix, size, flags=cv2.INTER_NEAREST | cv2.WARP_INVERSE_MAP)
    return np.asarray(values, dtype=np.float32), np.asarray(seen > 0, dtype=np.bool_)


def _correction(laid: Alignment) -> Matrix | None:
    """Return the small transform of the grid that brings the second picture closer."""
    first, second = grey(laid.first), grey(laid.second)
    found, _ = correlation(first, second, window=window_of(laid.visible))
    trusted = laid.visible & (found > 0.3)
    mask = trusted if trusted.sum() > 0.2 * laid.visible.sum() else laid.visible
    criteria = (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, STEPS, 1e-5)
    warp = np.eye(3, dtype=np.float32)
    try:
        _, warp = cv2.findTransformECC(
            first, second, warp, cv2.MOTION_HOMOGRAPHY, criteria, mask.astype(np.uint8), 5
        )
    except cv2.error:  # it says so where it does not converge
        return None
    matrix = PIXEL_CENTRE @ warp.astype(np.float64) @ np.linalg.inv(PIXEL_CENTRE)
    corners = corners_of((first.shape[1], first.shape[0]))
    moved = np.abs(applied(matrix, corners) - corners).max()
    return matrix if moved < max(3.0, LARGEST_CORRECTION * max(first.shape)) else None


def _same_kind(found: Matrix, before: Matrix, image: UInt8) -> bool:
    size = (image.shape[1], image.shape[0])
    return plausible(found / found[2, 2], size, mirrored=parts(before, size)[0])


def _agreement(laid: Alignment) -> float:
    found, _ = correlation(grey(laid.first), grey(laid.second), window=2.0)
    return float(np.median(found[laid.visible])) if laid.visible.any() else -1.0
