"""Change the pixels of a small picture and leave its geometry: colour, blur, noise, codecs."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

Picture = NDArray[np.uint8]
LUMA = np.array([0.299, 0.587, 0.114])
SEPIA = np.array([[0.393, 0.769, 0.189], [0.349, 0.686, 0.168], [0.272, 0.534, 0.131]])


def _tone_curve(rng: np.random.Generator, strength: float) -> NDArray[np.uint8]:
    """Build one (256, 3) table from gamma, contrast, brightness, tint, levels and inversion."""
    tone = np.linspace(0, 1, 256)[:, None].repeat(3, 1)
    if rng.random() < 0.4:
        tone = tone ** np.exp(rng.uniform(-0.8, 0.8) * strength)
    if rng.random() < 0.7:
        tone = (tone - 0.5) * rng.uniform(1 - 0.6 * strength, 1 + 0.8 * strength) + 0.5
        tone = tone * rng.uniform(1 - 0.5 * strength, 1 + 0.5 * strength)
        tone = tone + rng.uniform(-0.2, 0.2) * strength
    if rng.random() < 0.3:
        tone = tone * rng.uniform(1 - 0.35 * strength, 1 + 0.35 * strength, 3)
    tone = np.clip(tone, 0, 1)
    if rng.random() < 0.1 * strength - 0.02:
        levels = int(rng.integers(2, 7))
        tone = np.floor(tone * levels * 0.999) / (levels - 1)
    if rng.random() < 0.05 * strength - 0.01:
        tone = 1 - tone
    table: NDArray[np.uint8] = np.clip(tone * 255, 0, 255).astype(np.uint8)
    return table


def _mixing_matrix(rng: np.random.Generator, strength: float) -> NDArray[np.float64] | None:
    """Build a (3, 3) colour matrix: saturation, grey, sepia or swapped channels; None = none."""
    kind = rng.random()
    grey = np.tile(LUMA, (3, 1))
    if kind < 0.35:
        blended: NDArray[np.float64] = grey + (np.eye(3) - grey) * rng.uniform(
            1 - strength, 1 + strength
        )
        return blended
    if kind < 0.5:
        return grey
    if kind < 0.55:
        return SEPIA
    if kind < 0.55 + 0.1 * strength:
        swapped: NDArray[np.float64] = np.eye(3)[rng.permutation(3)]
        return swapped
    return None


def recolour(picture: Picture, rng: np.random.Generator, strength: float) -> Picture:
    """Change brightness, contrast, gamma, tint, saturation; sometimes grey, sepia, few levels."""
    matrix = _mixing_matrix(rng, strength)
    if matrix is not None:
        picture = cv2.transform(picture, matrix)
    table = _tone_curve(rng, strength)
    return np.asarray(cv2.LUT(picture, table[None]), np.uint8)


def recompress(picture: Picture, quality: int) -> Picture:
    """Write as JPEG of this quality and read again."""
    _, data = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, quality])
    return np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR), np.uint8)


def coarsen(picture: Picture, factor: float, enlarge: int) -> Picture:
    """Shrink by a factor below one and enlarge again with this OpenCV interpolation."""
    size = picture.shape[0]
    small = cv2.resize(picture, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.resize(small, (size, size), interpolation=enlarge), np.uint8)


def add_noise(picture: Picture, rng: np.random.Generator, sigma: float) -> Picture:
    """Add Gaussian noise of this standard deviation, in grey levels."""
    noise = rng.standard_normal(picture.shape, np.float32) * sigma
    return np.clip(picture + noise, 0, 255).astype(np.uint8)


def degrade(picture: Picture, rng: np.random.Generator, strength: float) -> Picture:
    """Blur, coarsen, add noise and compress, each with a chance that grows with the strength."""
    size = picture.shape[0]
    if rng.random() < 0.25 * strength:
        picture = cv2.GaussianBlur(picture, (0, 0), rng.uniform(0.5, 2.0) * size / 112)
    if rng.random() < 0.25 * strength:
        picture = coarsen(picture, rng.uniform(0.3, 0.8), int(rng.integers(0, 3)))
    if rng.random() < 0.2 * strength:
        picture = add_noise(picture, rng, rng.uniform(3, 28))
    if rng.random() < 0.4:
        picture = recompress(picture, int(rng.uniform(95 - 85 * strength, 96)))
    return picture
