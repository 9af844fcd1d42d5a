"""Follow where a picture lies while it is cropped, turned, tilted and placed on other canvases."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

Matrix = NDArray[np.float64]
Points = NDArray[np.float64]
PATCH = 16
IN_CLIP = 1


def move(points: Points, matrix: Matrix) -> Points:
    """Map (n, 2) points through a (3, 3) homography."""
    homogeneous = points @ matrix[:, :2].T + matrix[:, 2]
    result: Points = homogeneous[:, :2] / homogeneous[:, 2:]
    return result


def scaling(x: float, y: float) -> Matrix:
    """Scale both axes, as a (3, 3) matrix."""
    return np.diag([x, y, 1.0])


def translation(x: float, y: float) -> Matrix:
    """Shift by (x, y), as a (3, 3) matrix."""
    return np.array([[1.0, 0.0, x], [0.0, 1.0, y], [0.0, 0.0, 1.0]])


def corners(width: float, height: float) -> Points:
    """Return the (4, 2) corners of a rectangle at the origin, clockwise."""
    return np.array([[0.0, 0.0], [width, 0.0], [width, height], [0.0, height]], np.float64)


@dataclass(frozen=True)
class Placement:
    """A canvas and the way back from it to the source photograph.

    ``back`` maps canvas pixels to source pixels, (3, 3). ``clips`` are convex (4, 2) polygons in
    canvas pixels; source content shows only inside all of them.
    """

    width: float
    height: float
    back: Matrix
    clips: tuple[Points, ...]

    @classmethod
    def whole(cls, width: float, height: float) -> Placement:
        """Place a source of this size on a canvas of the same size."""
        return cls(width, height, np.eye(3), (corners(width, height),))

    def _step(self, width: float, height: float, to_old: Matrix) -> Placement:
        to_new = np.linalg.inv(to_old).astype(np.float64)
        clips = tuple(move(clip, to_new) for clip in self.clips)
        return Placement(width, height, self.back @ to_old, clips)

    def crop(self, left: float, top: float, width: float, height: float) -> Placement:
        """Keep a window, given in fractions of the canvas; what lies outside never shows again."""
        size = self.width * width, self.height * height
        step = self._step(*size, translation(self.width * left, self.height * top))
        return Placement(step.width, step.height, step.back, (*step.clips, corners(*size)))

    def rotate(self, degrees: float, expand: bool) -> Placement:
        """Turn about the centre, on a canvas that grows to hold the corners or keeps its size."""
        angle = np.deg2rad(degrees)
        cos, sin = np.cos(angle), np.sin(angle)
        width, height = self.width, self.height
        if expand:
            width = abs(self.width * cos) + abs(self.height * sin)
            height = abs(self.width * sin) + abs(self.height * cos)
        turn = np.array([[cos, -sin, 0.0], [sin, cos, 0.0], [0.0, 0.0, 1.0]])
        centre = translation(self.width / 2, self.height / 2)
        return self._step(width, height, centre @ turn @ translation(-width / 2, -height / 2))

    def mirror(self) -> Placement:
        """Swap left and right."""
        return self._step(
            self.width, self.height, translation(self.width, 0.0) @ scaling(-1.0, 1.0)
        )

    def tilt(self, offsets: Points) -> Placement:
        """Pull the corners inwards or outwards by (4, 2) fractions of the canvas."""
        old = corners(self.width, self.height)
        new = old + offsets * [self.width, self.height]
        to_old = cv2.getPerspectiveTransform(new.astype(np.float32), old.astype(np.float32))
        return self._step(self.width, self.height, to_old.astype(np.float64))

    def embed(
        self, left: float, top: float, width: float, height: float, aspect: float
    ) -> Placement:
        """Put the canvas into a box, in fractions of a new canvas of this width / height."""
        canvas = self.height * aspect, self.height
        box = canvas[0] * width, canvas[1] * height
        to_old = scaling(self.width / box[0], self.height / box[1])
        return self._step(*canvas, to_old @ translation(-canvas[0] * left, -canvas[1] * top))

    def squash(self, size: int) -> Placement:
        """Scale the canvas to size x size pixels, whatever its aspect."""
        return self._step(size, size, scaling(self.width / size, self.height / size))

    def visible(self) -> NDArray[np.uint8]:
        """Draw where the source shows: (height, width), 1 inside and 0 outside."""
        shape = round(self.height), round(self.width)
        mask = np.ones(shape, np.uint8)
        for clip in self.clips:
            inside = np.zeros(shape, np.uint8)
            polygon = np.clip(clip, -20 * shape[1], 20 * shape[1]) - 0.5
            cv2.fillConvexPoly(inside, np.round(polygon).astype(np.int32), IN_CLIP)
            mask &= inside
        return mask


def patch_centres(size: int) -> Points:
    """Return the (n, 2) centres of the patches of a size x size picture, row by row."""
    along = np.arange(size // PATCH) * PATCH + PATCH / 2
    across, down = np.meshgrid(along, along)
    return np.stack([across.ravel(), down.ravel()], 1)


def trace_patches(
    first: Placement,
    first_visible: NDArray[np.uint8],
    second: Placement,
    second_visible: NDArray[np.uint8],
) -> NDArray[np.int16]:
    """For each patch of ``second`` name the patch of ``first`` that shows the same place, or -1.

    Both placements are squashed to the same square. Returns (n,) indices, row by row.
    """
    size = first_visible.shape[0]
    centres = patch_centres(size)
    there = move(centres, np.linalg.inv(first.back) @ second.back)
    shown = second_visible[tuple(centres[:, ::-1].astype(int).T)] > 0
    shown &= ((there >= 0) & (there < size)).all(1)
    pixel = np.clip(there, 0, size - 1).astype(int)
    shown &= first_visible[pixel[:, 1], pixel[:, 0]] > 0
    index = pixel[:, 1] // PATCH * (size // PATCH) + pixel[:, 0] // PATCH
    return np.where(shown, index, -1).astype(np.int16)
