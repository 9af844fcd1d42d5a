"""The baseline of localisation: align by SIFT, subtract, blur, threshold."""

from __future__ import annotations

import cv2
import numpy as np
from PIL import Image, ImageOps

from benchmarks.copies.attacks import Mask, Matrix
from indexer.types import UInt8

RATIO = 0.8
FEWEST_INLIERS = 6
BLUR = 3.0  # pixels
# levels of 255: of 10 to 50, the best overlap with under 1 % of false alarms, on validation/
THRESHOLD = 20.0


def aligned_difference(original: Image.Image, copy: Image.Image) -> Mask:
    """Return where the copy differs from the original laid onto it, in the copy's pixels.

    Also tried mirrored. Nothing is marked where the two cannot be aligned.
    """
    candidates = [original, ImageOps.mirror(original)]
    inliers, matrix, source = max(
        ((*_aligned(candidate, copy), candidate) for candidate in candidates),
        key=lambda found: found[0],
    )
    if matrix is None or inliers < FEWEST_INLIERS:
        return np.zeros((copy.height, copy.width), dtype=np.bool_)
    return _differs(np.asarray(source), np.asarray(copy), matrix)


def _aligned(source: Image.Image, target: Image.Image) -> tuple[int, Matrix | None]:
    detector = cv2.SIFT.create()
    first, ours = detector.detectAndCompute(np.asarray(source.convert("L")), None)
    second, theirs = detector.detectAndCompute(np.asarray(target.convert("L")), None)
    if min(len(first), len(second)) < FEWEST_INLIERS:
        return 0, None
    pairs = cv2.BFMatcher().knnMatch(ours, theirs, k=2)
    kept = [best for best, second_best in pairs if best.distance < RATIO * second_best.distance]
    if len(kept) < FEWEST_INLIERS:
        return 0, None
    here = np.array([first[match.queryIdx].pt for match in kept])
    there = np.array([second[match.trainIdx].pt for match in kept])
    matrix, inliers = cv2.estimateAffinePartial2D(here, there, ransacReprojThreshold=3)
    return (0, None) if matrix is None else (int(inliers.sum()), matrix)


def _differs(source: UInt8, target: UInt8, matrix: Matrix) -> Mask:
    size = (target.shape[1], target.shape[0])
    laid_on = cv2.warpAffine(source, matrix, size, flags=cv2.INTER_LINEAR)
    seen = cv2.warpAffine(np.ones(source.shape[:2], np.uint8), matrix, size)
    difference = cv2.absdiff(laid_on, target).max(axis=2).astype(np.float32)
    blurred = cv2.GaussianBlur(difference * seen, (0, 0), BLUR)
    return np.asarray((blurred > THRESHOLD) & (seen > 0), dtype=np.bool_)
