"""Draw pictures with no source at all: dead leaves, fractal noise, waves, gradients and text."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from training.drawing import FONTS, random_colour, random_text

Picture = NDArray[np.uint8]


def _stretch(field: NDArray[np.floating]) -> Picture:
    low, high = field.min(), field.max()
    stretched: Picture = ((field - low) * (255.0 / max(high - low, 1e-6))).astype(np.uint8)
    return stretched


def dead_leaves(rng: np.random.Generator, height: int, width: int) -> Picture:
    """Pile discs and boxes whose radius follows a power law (Lee, Mumford, Huang, 2001)."""
    picture = np.full((height, width, 3), rng.integers(0, 256, 3), np.uint8)
    discs = rng.random() < 0.5
    for _ in range(int(rng.integers(60, 260))):
        radius = int(np.clip(4 / rng.random() ** 0.7, 3, 120))
        x, y = int(rng.integers(0, width)), int(rng.integers(0, height))
        if discs:
            cv2.circle(picture, (x, y), radius, random_colour(rng), -1, cv2.LINE_AA)
        else:
            sides = 2 * radius, radius * rng.uniform(0.3, 2)
            box = cv2.boxPoints(((x, y), sides, rng.uniform(0, 90))).astype(np.int32)
            cv2.fillPoly(picture, [box], random_colour(rng), cv2.LINE_AA)
    return picture


def fractal_noise(rng: np.random.Generator, height: int, width: int) -> Picture:
    """Add octaves of smooth random grids, each finer and fainter than the one before."""
    cells, gain = int(rng.integers(2, 10)), rng.uniform(0.4, 0.8)
    field = np.zeros((height, width, 3), np.float32)
    for octave in range(6):
        grid = rng.random((cells * 2**octave + 1, cells * 2**octave + 1, 3), np.float32)
        smooth = cv2.resize(grid, (width, height), interpolation=cv2.INTER_CUBIC)
        field += gain**octave * smooth
    grey = field.mean(2, keepdims=True)
    return _stretch(grey + (field - grey) * rng.uniform(0, 1.5))


def waves(rng: np.random.Generator, height: int, width: int) -> Picture:
    """Sum plane waves of random direction, frequency and colour."""
    across, down = np.meshgrid(np.linspace(0, 1, width), np.linspace(0, 1, height))
    field = np.zeros((height, width, 3))
    for _ in range(int(rng.integers(3, 10))):
        direction = rng.normal(size=2) * rng.uniform(2, 30)
        bend = 0.3 * np.sin(6 * across * rng.normal())
        phase = direction[0] * across + direction[1] * down + rng.uniform() + bend
        field += np.sin(2 * np.pi * phase)[..., None] * rng.normal(size=3)
    return _stretch(field)


def gradient_shapes(rng: np.random.Generator, height: int, width: int) -> Picture:
    """Scatter ellipses and words over a colour gradient."""
    picture = cv2.resize(rng.integers(0, 256, (2, 2, 3), np.uint8), (width, height))
    for _ in range(int(rng.integers(4, 30))):
        x, y = int(rng.integers(0, width)), int(rng.integers(0, height))
        if rng.random() < 0.5:
            font, size, thick = int(rng.integers(FONTS)), rng.uniform(0.4, 2.5), rng.integers(1, 5)
            word, colour = random_text(rng, 2, 12), random_colour(rng)
            cv2.putText(picture, word, (x, y), font, size, colour, int(thick), cv2.LINE_AA)
        else:
            axes = int(rng.integers(5, 90)), int(rng.integers(5, 90))
            width_of_line, turn = int(rng.choice([-1, 2, 5])), rng.uniform(0, 180)
            colour = random_colour(rng)
            cv2.ellipse(picture, (x, y), axes, turn, 0, 360, colour, width_of_line, cv2.LINE_AA)
    return np.asarray(picture, np.uint8)


def text_page(rng: np.random.Generator, height: int, width: int) -> Picture:
    """Set lines of random letters as on a page or a screen."""
    dark = rng.random() < 0.3
    picture = np.full((height, width, 3), 20 if dark else 250, np.uint8)
    ink, size, font = 230 if dark else 10, rng.uniform(0.3, 0.9), int(rng.integers(4))
    for line in range(20, height, int(12 + 22 * size)):
        words, left = random_text(rng, 10, 70), int(rng.integers(5, 40))
        cv2.putText(picture, words, (left, line), font, size, (ink,) * 3, 1, cv2.LINE_AA)
    return picture


KINDS = (dead_leaves, dead_leaves, fractal_noise, waves, gradient_shapes, text_page)


def generate(rng: np.random.Generator, height: int = 256, width: int = 340) -> Picture:
    """Draw one picture of a random kind: (height, width, 3) uint8."""
    return KINDS[int(rng.integers(len(KINDS)))](rng, height, width)
