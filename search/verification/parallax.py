"""How well two aligned pictures keep to one projective map.

A copy is the same light on the same sensor: wherever it shows its original, one projective map
takes the one to the other, within compression noise. A floor or a page photographed twice lies on
itself nearly as well, but the lens bends each picture its own way and nothing is quite flat: what
the map leaves over is a fraction of a pixel, and changes smoothly over the picture.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from indexer.types import Float32, UInt8
from search.verification.alignment import Alignment, correlation, grey, window_of

FEWEST_PLACES = 20
_PLACES = 40  # along the longer side
_ALIKE, _STRUCTURE = 0.6, 4.0  # local correlation, and levels of deviation, of a place to look at
_WINDOW = 33  # pixels a side that are followed together: noise averages out, parallax stays
_MOST = 0.8  # of the window of a place that must be alike
_THERE_AND_BACK = 0.5  # pixels a followed place may miss itself by
_EVENED = 12.0  # pixels within which brightness and contrast are evened out
_OUTLIER = 4.0  # times the median residual: a place that was not followed to the right one
_DEGREE = 3  # of the polynomial that a smooth displacement is fitted by
_BLOCKS = (64, 96)  # pixels a side: neighbours whose windows overlap are mostly in one block
_PLACES_A_TERM = 3

Places = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Parallax:
    """What a homography leaves of the displacements of ``places`` places, in grid pixels.

    ``residual`` is the median distance, noise and all; ``drift`` the part of it that is smooth:
    what the places in one half of the picture foretell of those in the other. Of noise alone it
    is about 0; it is None where there are too few places to tell.
    """

    places: int
    residual: float
    drift: float | None


def parallax(aligned: Alignment) -> Parallax | None:
    """Measure how far places stray from the homography that fits them best; None for too few.

    Half of the places that can be followed best, among those that show much the same, are taken.
    They are followed by Lucas and Kanade's method (1981), there and back, where the smaller
    eigenvalue of the gradients says that it is precise (Shi and Tomasi 1994); the map is fitted by
    least median of squares (Rousseeuw 1984).
    """
    first, second = (
        np.asarray(cv2.GaussianBlur(grey(each), (0, 0), 1.0))
        for each in (aligned.first, aligned.second)
    )
    found, deviation = correlation(first, second, window=window_of(aligned.visible))
    alike = aligned.visible & (found > _ALIKE)
    there = _places(alike & (deviation > _STRUCTURE) & _mostly(alike))
    if len(there) < FEWEST_PLACES:
        return None
    evened = _evened(first), _evened(second)
    places, followed = _followed(*evened, _clearest(there, *evened))
    if len(places) < FEWEST_PLACES:
        return None
    fitted, _ = cv2.findHomography(places, followed, cv2.LMEDS)
    if fitted is None:
        return None
    missed = _missed(places, followed, fitted)
    residual = float(np.median(missed))
    kept = missed < max(_OUTLIER * residual, 0.3)
    drift = _drift(places[kept], followed[kept], aligned.visible.shape)
    return Parallax(places=len(places), residual=residual, drift=drift)


def _missed(places: Float32, followed: Float32, fitted: Places) -> Places:
    moved = cv2.perspectiveTransform(places[:, None], fitted)[:, 0]
    return np.asarray(np.linalg.norm(moved - followed, axis=1), dtype=np.float64)


def _drift(places: Float32, followed: Float32, shape: tuple[int, ...]) -> float | None:
    """Return the smooth part of the displacements, negative where there is less than none.

    A polynomial is fitted to the places of every other block of a chequerboard; the product of
    what it foretells and what is found in the other blocks is, but for chance, the square of the
    smooth displacement.
    """
    fitted, _ = cv2.findHomography(places, followed, 0)
    if fitted is None:
        return None
    left = followed - cv2.perspectiveTransform(places[:, None], fitted)[:, 0]
    terms = _terms(places, shape)
    squares = []
    for side in _BLOCKS:
        for moved in (0.0, 0.5):
            blocks = np.floor(places / side + moved).astype(np.int64).sum(axis=1)
            square = _foretold(terms, left, blocks % 2 == 1)
            squares += [] if square is None else [square]
    if not squares:
        return None
    middle = float(np.median(squares))
    return float(np.copysign(np.sqrt(abs(middle)), middle))


def _terms(places: Float32, shape: tuple[int, ...]) -> Places:
    """Return the terms (n, 10) of a cubic polynomial in both directions."""
    x, y = (2 * places[:, axis] / shape[1 - axis] - 1 for axis in (0, 1))
    powers = [(i, j) for i in range(_DEGREE + 1) for j in range(_DEGREE + 1 - i)]
    return np.stack([x**i * y**j for i, j in powers], axis=1).astype(np.float64)


def _foretold(terms: Places, left: Float32, odd: npt.NDArray[np.bool_]) -> float | None:
    """Return the mean product of displacements and what the other blocks foretell of them."""
    if min(odd.sum(), (~odd).sum()) < _PLACES_A_TERM * terms.shape[1]:
        return None
    total = 0.0
    for known, asked in ((odd, ~odd), (~odd, odd)):
        ridge = 2e-4 * known.sum() * np.eye(terms.shape[1])
        weights = np.linalg.solve(
            terms[known].T @ terms[known] + ridge, terms[known].T @ left[known]
        )
        total += float((terms[asked] @ weights * left[asked]).sum())
    return total / len(terms)


def _places(usable: npt.NDArray[np.bool_]) -> Float32:
    """Return the places (n, 2) of a regular grid that lie where there is something to follow."""
    height, width = usable.shape
    step = max(8, round(max(height, width) / _PLACES))
    y, x = np.mgrid[step // 2 : height : step, step // 2 : width : step]
    kept = usable[y, x]
    return np.stack([x[kept], y[kept]], 1).astype(np.float32)


def _mostly(alike: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """Return the places around which most of a window is alike: what was altered pulls at it."""
    share = cv2.boxFilter(alike.astype(np.float32), -1, (_WINDOW, _WINDOW))
    return np.asarray(share > _MOST, dtype=np.bool_)


def _clearest(places: Float32, first: UInt8, second: UInt8) -> Float32:
    """Return the half of the places where both pictures have most to hold on to."""
    x, y = places.astype(np.int64).T
    hold = [
        cv2.cornerMinEigenVal(cv2.GaussianBlur(each, (0, 0), 1.0), _WINDOW)[y, x]
        for each in (first, second)
    ]
    clear = np.minimum(*hold)
    return np.asarray(places[clear >= np.median(clear)])


def _followed(first: UInt8, second: UInt8, places: Float32) -> tuple[Float32, Float32]:
    """Return the places that are found again, and where."""
    window = (_WINDOW, _WINDOW)
    there, found, _ = cv2.calcOpticalFlowPyrLK(
        first, second, places[:, None], None, winSize=window, maxLevel=1
    )
    back, returned, _ = cv2.calcOpticalFlowPyrLK(
        second, first, there, None, winSize=window, maxLevel=1
    )
    missed = np.linalg.norm(back[:, 0] - places, axis=1)
    kept = (found[:, 0] > 0) & (returned[:, 0] > 0) & (missed < _THERE_AND_BACK)
    return places[kept], np.asarray(there[kept][:, 0], dtype=np.float32)


def _evened(values: Float32) -> UInt8:
    """Take away local brightness and contrast, which tone mapping would alter."""
    mean = cv2.GaussianBlur(values, (0, 0), _EVENED)
    spread = np.sqrt(np.maximum(cv2.GaussianBlur((values - mean) ** 2, (0, 0), _EVENED), 4))
    return np.asarray(np.clip(128 + 40 * (values - mean) / spread, 0, 255), dtype=np.uint8)
