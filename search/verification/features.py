"""Local features of one picture: SIFT points, and descriptors that know their own mirror image."""

from __future__ import annotations

import functools
from dataclasses import dataclass

import cv2
import numpy as np
from PIL import Image

from indexer.keypoints import spread
from indexer.types import Float32, UInt8

LONGEST_SIDE = 512
LARGEST_ENLARGEMENT = 2.0
COUNT = 1000
CONTRAST = 0.015  # less than OpenCV's 0.04: faces and skies have nothing above that
BLUNT_EDGES = 12.0
DESCRIPTOR_SCALE = 512.0  # rootSIFT values seldom pass a half


@dataclass(frozen=True)
class LocalFeatures:
    """SIFT points of a picture, the strongest first, in pixels of the original picture.

    ``points`` (n, 2) float32 count from the corner of the first pixel; ``sizes`` (n,) pixels;
    ``angles`` (n,) degrees, clockwise from the x axis; ``descriptors`` (n, 128) uint8 are rootSIFT
    (Arandjelovic and Zisserman 2012) times 512.
    """

    points: Float32
    sizes: Float32
    angles: Float32
    descriptors: UInt8
    width: int
    height: int

    def __post_init__(self) -> None:
        n = len(self.points)
        shapes = (self.points.shape, self.sizes.shape, self.angles.shape, self.descriptors.shape)
        if shapes != ((n, 2), (n,), (n,), (n, 128)):
            raise ValueError(f"local features: expected (n, 2), (n,), (n,), (n, 128), got {shapes}")

    def __len__(self) -> int:
        return len(self.points)

    @functools.cached_property
    def unit(self) -> Float32:
        """Descriptors (n, 128) as unit vectors."""
        values = self.descriptors.astype(np.float32)
        norms = np.linalg.norm(values, axis=1, keepdims=True)
        return np.asarray(values / np.maximum(norms, 1e-6), dtype=np.float32)

    def mirrored(self) -> LocalFeatures:
        """Return the features of the picture with left and right exchanged.

        A descriptor is 4 x 4 cells of 8 directions in the point's own frame; a mirror reverses
        the cells' rows and the directions' sense, so nothing has to be read from the pixels again.
        """
        points = np.array(self.points)
        points[:, 0] = self.width - points[:, 0]
        angles = np.mod(180 - self.angles, 360).astype(np.float32)
        descriptors = np.ascontiguousarray(self.descriptors[:, _MIRROR])
        return LocalFeatures(points, self.sizes, angles, descriptors, self.width, self.height)


_MIRROR = np.arange(128).reshape(4, 4, 8)[::-1][:, :, [0, 7, 6, 5, 4, 3, 2, 1]].ravel()


def local_features(
    image: Image.Image | UInt8, *, longest_side: int = LONGEST_SIDE, count: int = COUNT
) -> LocalFeatures:
    """Find a picture's SIFT points, at most ``count``, spread over the picture.

    ``image`` is RGB or (height, width, 3) uint8. It is read at ``longest_side`` pixels; smaller
    pictures are enlarged up to twice.
    """
    grey = _grey(image)
    height, width = grey.shape
    factor = min(longest_side / max(height, width), LARGEST_ENLARGEMENT)
    size = (max(1, round(width * factor)), max(1, round(height * factor)))
    shrinks = size[0] < width
    resized = cv2.resize(grey, size, interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC)
    return _located(_detected(np.asarray(resized, dtype=np.uint8), count), size, (width, height))


def _grey(image: Image.Image | UInt8) -> UInt8:
    if isinstance(image, Image.Image):
        return np.asarray(image.convert("L"))
    if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8:
        raise ValueError(f"expected (height, width, 3) uint8, got {image.shape} {image.dtype}")
    return np.asarray(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), dtype=np.uint8)


def _detected(grey: UInt8, count: int) -> tuple[Float32, UInt8]:
    """Return points (n, 4) as x, y, size, angle, and their descriptors (n, 128)."""
    detector = cv2.SIFT.create(
        contrastThreshold=CONTRAST, edgeThreshold=BLUNT_EDGES, enable_precise_upscale=True
    )
    found = detector.detect(grey, None)
    if not found:
        return np.zeros((0, 4), np.float32), np.zeros((0, 128), np.uint8)
    values = np.array([(*point.pt, point.response) for point in found], dtype=np.float32)
    chosen = [found[place] for place in spread(values[:, :2], values[:, 2], grey.shape, count)]
    kept, counts = detector.compute(grey, chosen)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1e-9)
    descriptors = np.clip(np.sqrt(shares) * DESCRIPTOR_SCALE, 0, 255).astype(np.uint8)
    points = [(*each.pt, each.size, each.angle) for each in kept]
    return np.array(points, dtype=np.float32).reshape(-1, 4), descriptors


def _located(
    found: tuple[Float32, UInt8], size: tuple[int, int], original: tuple[int, int]
) -> LocalFeatures:
    """Express the points in pixels of the original picture."""
    values, descriptors = found
    step = np.array([original[0] / size[0], original[1] / size[1]], dtype=np.float32)
    half = np.float32(0.5)  # OpenCV counts from the first pixel's centre
    return LocalFeatures(
        points=(values[:, :2] + half) * step,
        sizes=values[:, 2] * step.mean(),
        angles=values[:, 3],
        descriptors=descriptors,
        width=original[0],
        height=original[1],
    )
