"""Real photographs for the tests of copy verification, and ways to change them."""

from __future__ import annotations

import io

import cv2
import numpy as np
import pytest
from PIL import Image

from tests.checkout import shared_data

PHOTOS = shared_data / "photos_cc0" / "validation"


def photograph(folder: str, place: int) -> Image.Image:
    """Return one photograph of the shared corpus; skip the test where there is none."""
    paths = sorted((PHOTOS / folder).glob("*.jpg"))
    if len(paths) <= place:
        pytest.skip("the shared photographs are not beside this checkout")
    return Image.open(paths[place]).convert("RGB")


def recompressed(image: Image.Image, quality: int) -> Image.Image:
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=quality)
    return Image.open(buffer).convert("RGB")


def warped(image: Image.Image, transform: np.ndarray, size: tuple[int, int]) -> Image.Image:
    """Move a picture's pixels; ``transform`` counts from the corner of the first pixel."""
    centre = np.array([[1, 0, 0.5], [0, 1, 0.5], [0, 0, 1.0]])
    matrix = np.linalg.inv(centre) @ transform @ centre
    moved = cv2.warpPerspective(np.asarray(image), matrix, size, flags=cv2.INTER_CUBIC)
    return Image.fromarray(moved)


def similarity(degrees: float, scale: float, dx: float, dy: float) -> np.ndarray:
    """Return a turn to the right (clockwise, as pixels count downwards), scaled and shifted."""
    cos, sin = scale * np.cos(np.radians(degrees)), scale * np.sin(np.radians(degrees))
    return np.array([[cos, -sin, dx], [sin, cos, dy], [0, 0, 1.0]])


def moved_by(transform: np.ndarray, points: np.ndarray) -> np.ndarray:
    moved = np.column_stack([points, np.ones(len(points))]) @ np.asarray(transform).T
    return moved[:, :2] / moved[:, 2:]
