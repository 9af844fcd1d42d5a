"""Plane transforms between two pictures: fitted, judged, taken apart."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

Matrix = npt.NDArray[np.float64]
Points = npt.NDArray[np.floating]
Linear = npt.NDArray[np.floating]

PIXEL_CENTRE = np.array([[1, 0, 0.5], [0, 1, 0.5], [0, 0, 1.0]])  # where OpenCV counts from

LARGEST_SCALE = 12.0
LARGEST_STRETCH = 2.2  # ratio of the longer to the shorter axis of a circle's image
LARGEST_PERSPECTIVE = 1.6  # ratio of the largest to the smallest scale within the picture


def applied(transform: Linear, points: Points) -> Matrix:
    """Move points (n, 2)."""
    moved = points @ transform[:, :2].T + transform[:, 2]
    return np.asarray(moved[:, :2] / moved[:, 2:], dtype=np.float64)


def inverse(transform: Linear) -> Matrix:
    """Return the way back."""
    result = np.linalg.inv(transform)
    return np.asarray(result / result[2, 2], dtype=np.float64)


def fitted_similarity(source: Points, target: Points) -> Matrix:
    """Return the similarity without reflection nearest to the pairs, by least squares."""
    a, b = source - source.mean(axis=0), target - target.mean(axis=0)
    spread = max(float((a**2).sum()), 1e-9)
    cosine = float((a * b).sum()) / spread
    sine = float((a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]).sum()) / spread
    linear = np.array([[cosine, -sine], [sine, cosine]])
    return _placed(linear, target.mean(axis=0) - linear @ source.mean(axis=0))


def fitted_affine(source: Points, target: Points) -> Matrix:
    """Return the affine transform nearest to the pairs, by least squares."""
    rows = np.column_stack([source, np.ones(len(source))])
    solution = np.linalg.lstsq(rows, target, rcond=None)[0]
    return _placed(solution[:2].T, solution[2])


def fitted_homography(source: Points, target: Points) -> Matrix | None:
    """Return the homography nearest to the pairs, or None where none can be computed."""
    found, _ = cv2.findHomography(source.astype(np.float64), target.astype(np.float64), 0)
    return None if found is None else np.asarray(found, dtype=np.float64)


def plausible(transform: Matrix, size: tuple[int, int], *, mirrored: bool = False) -> bool:
    """Whether a picture of this size can have been laid down so by someone who copied it."""
    if not np.isfinite(transform).all():
        return False
    corners = corners_of(size)
    depth = corners @ transform[2, :2] + transform[2, 2]
    if depth.min() <= 1e-6 or depth.max() / depth.min() > LARGEST_PERSPECTIVE:
        return False
    linear = linear_part(transform, size)
    if (np.linalg.det(linear) < 0) != mirrored:
        return False
    largest, smallest = np.linalg.svd(linear, compute_uv=False)
    mean = np.sqrt(largest * smallest)
    fits = 1 / LARGEST_SCALE < mean < LARGEST_SCALE
    return bool(fits and largest / max(smallest, 1e-9) < LARGEST_STRETCH)


def parts(transform: Matrix, size: tuple[int, int]) -> tuple[bool, float, float]:
    """Return whether it mirrors, the rotation in degrees (clockwise) after that, and the scale."""
    linear = linear_part(transform, size)
    mirrored = bool(np.linalg.det(linear) < 0)
    if mirrored:
        linear = linear @ np.diag([-1.0, 1.0])
    rotation = np.degrees(np.arctan2(linear[1, 0] - linear[0, 1], linear[0, 0] + linear[1, 1]))
    rotation = (rotation + 179.5) % 360 - 179.5  # a half turn is one to the right
    return mirrored, float(rotation), float(np.sqrt(abs(np.linalg.det(linear))))


def overlaps(
    transform: Matrix, query: tuple[int, int], sample: tuple[int, int]
) -> tuple[float, float]:
    """Return the fractions of both pictures' areas that the other one covers."""
    here = _area(common_area(transform, query, sample)) / (query[0] * query[1])
    there = _area(common_area(np.linalg.inv(transform), sample, query)) / (sample[0] * sample[1])
    return min(1.0, here), min(1.0, there)


def common_area(transform: Linear, query: tuple[int, int], sample: tuple[int, int]) -> Matrix:
    """Return the outline (n, 2), in query pixels, of what the sample covers; n is 0 for nothing."""
    covered = applied(np.linalg.inv(transform), corners_of(sample)).astype(np.float32)
    _, outline = cv2.intersectConvexConvex(covered, corners_of(query).astype(np.float32))
    if outline is None or len(outline) < 3:  # for nothing OpenCV returns a point at infinity
        return np.zeros((0, 2))
    return np.asarray(outline, dtype=np.float64).reshape(-1, 2)


def corners_of(size: tuple[int, int]) -> Matrix:
    """Return a picture's four corners, in order."""
    return np.array([[0, 0], [size[0], 0], [size[0], size[1]], [0, size[1]]], dtype=np.float64)


def linear_part(transform: Matrix, size: tuple[int, int]) -> Matrix:
    """Return the transform's derivative (2, 2) at the centre of a picture of this size."""
    x, y = size[0] / 2, size[1] / 2
    moved = transform @ np.array([x, y, 1.0])
    place = moved[:2] / moved[2]
    linear = (transform[:2, :2] - np.outer(place, transform[2, :2])) / moved[2]
    return np.asarray(linear, dtype=np.float64)


def _area(outline: Matrix) -> float:
    return float(cv2.contourArea(outline.astype(np.float32))) if len(outline) else 0.0


def _placed(linear: Linear, shift: Linear) -> Matrix:
    result = np.eye(3)
    result[:2, :2], result[:2, 2] = linear, shift
    return result
