"""Draw pictures with no source at all: leaves, noise, waves, gradients, text, likenesses."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from training.drawing import FONTS, random_colour, random_text

Picture = NDArray[np.uint8]
FAMILIES = 120
FAMILY_SEED = 20


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


def likeness(rng: np.random.Generator, height: int, width: int) -> Picture:
    """Draw one of a family: the same things at the same places in like colours, never the same.

    Portraits, product shots and pages from one template differ like this. They are different
    pictures, and a step that holds several of a family teaches so.
    """
    family = np.random.default_rng((FAMILY_SEED, int(rng.integers(FAMILIES))))
    corners = _near(family.integers(0, 256, (2, 2, 3)), rng, 22)
    picture = _textured(cv2.resize(corners, (width, height)), rng, family.uniform(0, 0.5))
    for _ in range(int(family.integers(2, 6))):
        place = family.uniform(0.2, 0.8, 2) + rng.normal(0, 0.03, 2)
        reach = family.uniform(0.08, 0.4, 2) * np.exp(rng.normal(0, 0.12, 2))
        thing = np.full_like(picture, _near(family.integers(0, 256, 3), rng, 24))
        thing = _textured(thing, rng, family.uniform(0.1, 0.7))
        for _ in range(int(family.integers(0, 7))):
            spot = place + family.uniform(-0.6, 0.6, 2) * reach + rng.normal(0, 0.02, 2)
            size = family.uniform(0.04, 0.25) * reach.min() * np.exp(rng.normal(0, 0.2, 2))
            ink = _near(family.integers(0, 256, 3), rng, 30).tolist()
            cv2.fillPoly(thing, [_outline(spot, size, rng, height, width)], ink, cv2.LINE_AA)
        inside = np.zeros((height, width), np.uint8)
        cv2.fillPoly(inside, [_outline(place, reach, rng, height, width)], 1)
        picture = np.where(inside[..., None] > 0, thing, picture)
    return np.asarray(cv2.GaussianBlur(picture, (0, 0), 0.8), np.uint8)


def _near(colours: NDArray[np.int64], rng: np.random.Generator, apart: float) -> Picture:
    moved: Picture = np.clip(colours + rng.normal(0, apart, colours.shape), 0, 255).astype(np.uint8)
    return moved


def _outline(
    place: NDArray[np.float64],
    reach: NDArray[np.float64],
    rng: np.random.Generator,
    height: int,
    width: int,
) -> NDArray[np.int32]:
    """Return a wobbling ellipse, (n, 2) pixels; place and reach are fractions of the picture."""
    angle = np.linspace(0, 2 * np.pi, 60, endpoint=False)
    radius = np.ones_like(angle)
    for wave in (2, 3, 5, 9):
        radius += rng.normal(0, 0.1 / wave) * np.sin(wave * angle + rng.uniform(0, 7))
    along = np.stack([np.cos(angle), np.sin(angle)], 1) * radius[:, None]
    points: NDArray[np.int32] = ((place + along * reach / 2) * [width, height]).astype(np.int32)
    return points


def _textured(picture: Picture, rng: np.random.Generator, amount: float) -> Picture:
    """Light a picture unevenly and give it a texture of its own."""
    height, width = picture.shape[:2]
    field = fractal_noise(rng, height, width).mean(2, keepdims=True) / 255 - 0.5
    lit: Picture = np.clip(picture * (1 + 2 * amount * field), 0, 255).astype(np.uint8)
    return lit


KINDS = (
    dead_leaves,
    dead_leaves,
    fractal_noise,
    waves,
    gradient_shapes,
    text_page,
    likeness,
    likeness,
    likeness,
)


def generate(rng: np.random.Generator, height: int = 256, width: int = 340) -> Picture:
    """Draw one picture of a random kind: (height, width, 3) uint8."""
    return KINDS[int(rng.integers(len(KINDS)))](rng, height, width)
