"""Local features over every pair as a method of the copy benchmark: rootSIFT and RANSAC."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from benchmarks.copies.attacks import Mask
from benchmarks.copies.methods import opened
from indexer.types import Float32, Int64

RATIO = 0.8  # Lowe 2004
FEWEST_MATCHES = 6
REPROJECTION = 5.0  # pixels
BLOCK = 16  # references compared at once: their similarities stay in the cache


@dataclass(frozen=True)
class SiftPoints:
    """Where a picture's features lie (n, 2), and their rootSIFT descriptors (n, 128)."""

    points: Float32
    descriptors: Float32


class SiftRansac:
    """Match each query with every reference; the score is the number of RANSAC inliers.

    rootSIFT (Arandjelovic and Zisserman 2012), the ratio test within each reference, one match a
    reference feature, a partial affine transform where at least six matches are left.
    """

    name = "rootSIFT + RANSAC"
    slow = True

    def __init__(self, *, features: int = 1000) -> None:
        self.features = features

    def index(self, references: Sequence[Path]) -> None:
        """Extract and keep the references' features, those with about as many side by side."""
        self.references = [self._keypoints(image) for image in opened(references)]
        order = np.argsort([len(found.points) for found in self.references])
        cuts = np.arange(BLOCK, len(order), BLOCK)
        self._blocks = [(columns, self._padded(columns)) for columns in np.split(order, cuts)]

    def scores(self, queries: Sequence[Image.Image]) -> Float32:
        """Count the inliers of every pair of a query and a reference."""
        return np.stack([self._inliers(self._keypoints(image)) for image in queries])

    def _keypoints(self, image: Image.Image) -> SiftPoints:
        detector = cv2.SIFT.create(nfeatures=self.features)
        found, descriptors = detector.detectAndCompute(np.asarray(image.convert("L")), None)
        if descriptors is None:
            return SiftPoints(np.zeros((0, 2), np.float32), np.zeros((0, 128), np.float32))
        # OpenCV keeps more than it was asked for where responses are equal
        points = np.array([point.pt for point in found[: self.features]], dtype=np.float32)
        counts = descriptors[: self.features]
        shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1e-9)
        return SiftPoints(points, np.sqrt(shares, dtype=np.float32))

    def _padded(self, columns: Int64) -> Float32:
        """Return these references' descriptors (b, most, 128), filled up with zeros."""
        found = [self.references[column].descriptors for column in columns]
        block = np.zeros(
            (len(found), max(2, *(len(each) for each in found)), 128), dtype=np.float32
        )
        for row, descriptors in zip(block, found, strict=True):
            row[: len(descriptors)] = descriptors
        return block

    def _inliers(self, query: SiftPoints) -> Float32:
        inliers = np.zeros(len(self.references), dtype=np.float32)
        if len(query.points) < FEWEST_MATCHES:
            return inliers
        for columns, block in self._blocks:
            nearest, passed = _ratio_test(query.descriptors, block)
            for place in np.flatnonzero(passed.sum(axis=0) >= FEWEST_MATCHES):
                rows = np.flatnonzero(passed[:, place])
                target = self.references[columns[place]].points
                inliers[columns[place]] = _consistent(
                    query.points[rows], target, nearest[rows, place]
                )
        return inliers


def _ratio_test(query: Float32, block: Float32) -> tuple[Int64, Mask]:
    """Return the nearest feature of each reference (n, b), and where it is clearly the nearest."""
    count, most, _ = block.shape
    similarity = (query @ block.reshape(count * most, -1).T).reshape(len(query), count, most)
    nearest = similarity.argmax(axis=2)
    first = np.take_along_axis(similarity, nearest[..., None], axis=2)[..., 0]
    np.put_along_axis(similarity, nearest[..., None], -1.0, axis=2)
    second = similarity.max(axis=2)
    return nearest, 1 - first < RATIO**2 * (1 - second)


def _consistent(source: Float32, target: Float32, nearest: Int64) -> int:
    """Count the matches that one partial affine transform explains."""
    _, once = np.unique(nearest, return_index=True)
    if len(once) < FEWEST_MATCHES:
        return 0
    _, inliers = cv2.estimateAffinePartial2D(
        source[once], target[nearest[once]], ransacReprojThreshold=REPROJECTION
    )
    return 0 if inliers is None else int(inliers.sum())
