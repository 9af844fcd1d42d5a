"""Draw on pictures: words, caption bars, emoji-like faces, shapes and the frames of screenshots."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

Picture = NDArray[np.uint8]
Colour = tuple[int, int, int]
FONTS = 8


def random_colour(rng: np.random.Generator) -> Colour:
    """Choose a colour, half of the time a grey."""
    if rng.random() < 0.5:
        return (int(rng.integers(256)),) * 3
    red, green, blue = rng.integers(0, 256, 3).tolist()
    return red, green, blue


def random_text(rng: np.random.Generator, shortest: int, longest: int) -> str:
    """Choose printable ASCII letters."""
    return rng.integers(65, 123, int(rng.integers(shortest, longest)), np.uint8).tobytes().decode()


def write(picture: Picture, rng: np.random.Generator) -> None:
    """Write a word across the picture, sometimes on a caption bar."""
    size = picture.shape[0]
    base = int(rng.integers(size // 8, size))
    if rng.random() < 0.5:
        deep = int(size * rng.uniform(0.08, 0.25))
        top = int(rng.choice([0, size - deep, int(rng.uniform(0, size - deep))]))
        cv2.rectangle(picture, (0, top), (size, top + deep), random_colour(rng), -1)
        base = top + int(deep * 0.75)
    left, scale = int(rng.integers(-size // 8, size // 2)), rng.uniform(0.25, 1.1) * size / 112
    word, font, thick = random_text(rng, 3, 14), int(rng.integers(FONTS)), int(rng.integers(1, 3))
    cv2.putText(picture, word, (left, base), font, scale, random_colour(rng), thick, cv2.LINE_AA)


def smiley(picture: Picture, rng: np.random.Generator) -> None:
    """Draw a round face with two eyes and a mouth."""
    size = picture.shape[0]
    x, y = rng.integers(0, size, 2).tolist()
    radius = int(rng.uniform(0.05, 0.18) * size)
    skin = (250, 200, 40) if rng.random() < 0.6 else random_colour(rng)
    cv2.circle(picture, (x, y), radius, skin, -1, cv2.LINE_AA)
    for side in (-1, 1):
        eye = x + side * radius // 3, y - radius // 4
        cv2.circle(picture, eye, max(1, radius // 6), (0, 0, 0), -1)
    mouth = max(1, radius // 2), max(1, radius // 3)
    cv2.ellipse(picture, (x, y + radius // 6), mouth, 0, 0, 180, (0, 0, 0), 1, cv2.LINE_AA)


def shapes(picture: Picture, rng: np.random.Generator) -> None:
    """Scatter a few faces, boxes, discs and lines."""
    size = picture.shape[0]
    for _ in range(int(rng.integers(1, 5))):
        start, end = rng.integers(0, size, 2).tolist(), rng.integers(0, size, 2).tolist()
        kind, colour = rng.random(), random_colour(rng)
        if kind < 0.5:
            smiley(picture, rng)
        elif kind < 0.7:
            extent = (rng.uniform(0.05, 0.3, 2) * size).astype(int) + start
            cv2.rectangle(picture, start, extent.tolist(), colour, -1)
        else:
            cv2.line(picture, start, end, colour, int(rng.integers(1, 5)), cv2.LINE_AA)


def screen(rng: np.random.Generator, size: int) -> Picture:
    """Draw an empty application window: background, bars, lines of text, buttons."""
    grey = int(rng.choice([255, 245, 235, 40, 25, 0]))
    picture = np.full((size, size, 3), grey, np.uint8)
    for edge in (0, 1):
        if rng.random() < 0.7:
            deep = int(size * rng.uniform(0.03, 0.14))
            top = edge * (size - deep)
            cv2.rectangle(picture, (0, top), (size, top + deep), random_colour(rng), -1)
    for _ in range(int(rng.integers(2, 10))):
        left, top = rng.integers(0, size, 2).tolist()
        end = left + int(size * rng.uniform(0.05, 0.6)), top + int(size * rng.uniform(0.01, 0.06))
        cv2.rectangle(picture, (left, top), end, random_colour(rng), -1)
    if rng.random() < 0.5:
        write(picture, rng)
    return picture


def backdrop(rng: np.random.Generator, size: int) -> Picture:
    """Draw a plain, two-tone or blotchy background."""
    kind = rng.random()
    if kind < 0.6:
        grey = int(rng.choice([0, 0, 255, 255, int(rng.integers(256))]))
        return np.full((size, size, 3), grey, np.uint8)
    if kind < 0.75:
        return np.full((size, size, 3), random_colour(rng), np.uint8)
    cells = int(rng.choice([2, 3, 5, 9]))
    grid = rng.integers(0, 256, (cells, cells, 3), np.uint8)
    return np.asarray(cv2.resize(grid, (size, size), interpolation=cv2.INTER_LINEAR), np.uint8)
