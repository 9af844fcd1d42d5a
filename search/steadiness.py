"""How steadily two aligned pictures keep to one projective map.

A copy is the same light on the same sensor: wherever it shows its original, one projective map
takes the one to the other, within compression noise. A floor or a page photographed twice lies on
itself nearly as well, but the lens bends each picture its own way and nothing is quite flat: what
is left wanders by a fraction of a pixel.
"""

from __future__ import annotations

import cv2
import numpy as np

from indexer.types import Float32, UInt8
from search.alignment import Alignment, correlation, grey, window_of

FEWEST_PLACES = 20
_PLACES = 40  # along the longer side
_ALIKE, _STRUCTURE = 0.6, 4.0  # local correlation, and levels of deviation, of a place to look at
_WINDOW = 21  # pixels a side that are followed together
_THERE_AND_BACK = 0.5  # pixels a followed place may miss itself by
_EVENED = 12.0  # pixels within which brightness and contrast are evened out


def wandering(laid: Alignment) -> float | None:
    """Return how far places wander from the projective map that fits them best, in grid pixels.

    Half of the places that can be followed best, among those that show much the same, wander no
    further. None where there are too few such places to tell. Places are followed by Lucas and
    Kanade's method (1981), there and back, where the smaller eigenvalue of the gradients says that
    it is precise (Shi and Tomasi 1994); the map is fitted by least median of squares (Rousseeuw
    1984).
    """
    first, second = (
        np.asarray(cv2.GaussianBlur(grey(each), (0, 0), 1.0)) for each in (laid.first, laid.second)
    )
    found, deviation = correlation(first, second, window=window_of(laid.visible))
    there = _places(laid.visible & (found > _ALIKE) & (deviation > _STRUCTURE))
    if len(there) < FEWEST_PLACES:
        return None
    evened = _evened(first), _evened(second)
    places, followed = _followed(*evened, _clearest(there, *evened))
    if len(places) < FEWEST_PLACES:
        return None
    fitted, _ = cv2.findHomography(places, followed, cv2.LMEDS)
    if fitted is None:
        return None
    missed = cv2.perspectiveTransform(places[:, None], fitted)[:, 0] - followed
    return float(np.median(np.linalg.norm(missed, axis=1)))


def _places(usable: np.ndarray[tuple[int, int], np.dtype[np.bool_]]) -> Float32:
    """Return the places (n, 2) of a regular grid that lie where there is something to follow."""
    height, width = usable.shape
    step = max(8, round(max(height, width) / _PLACES))
    y, x = np.mgrid[step // 2 : height : step, step // 2 : width : step]
    kept = usable[y, x]
    return np.stack([x[kept], y[kept]], 1).astype(np.float32)


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
    """Take away local brightness and contrast, which a change of tones would alter."""
    mean = cv2.GaussianBlur(values, (0, 0), _EVENED)
    spread = np.sqrt(np.maximum(cv2.GaussianBlur((values - mean) ** 2, (0, 0), _EVENED), 4))
    return np.asarray(np.clip(128 + 40 * (values - mean) / spread, 0, 255), dtype=np.uint8)
