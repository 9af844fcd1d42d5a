"""The edits by which checkpoints are compared: fixed kinds, seeded details, at full size."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray

from training.pixels import recompress

Picture = NDArray[np.uint8]
Rng = np.random.Generator
Attack = Callable[[Picture, Rng, Picture], Picture]
GREY_INK = (30, 30, 30)


def _resize(picture: Picture, width: int, height: int) -> Picture:
    size = max(1, width), max(1, height)
    return np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), np.uint8)


def compress(picture: Picture, _rng: Rng, _other: Picture) -> Picture:
    """Halve the size and store as JPEG of quality 10."""
    height, width = picture.shape[:2]
    return recompress(_resize(picture, width // 2, height // 2), 10)


def crop_away(share: float) -> Attack:
    """Remove this share of the area, at a random place."""

    def attack(picture: Picture, rng: Rng, _other: Picture) -> Picture:
        height, width = picture.shape[:2]
        side = np.sqrt(1 - share)
        top, left = int(rng.uniform(0, 1 - side) * height), int(rng.uniform(0, 1 - side) * width)
        return picture[top : top + int(side * height), left : left + int(side * width)].copy()

    return attack


def mirror(picture: Picture, _rng: Rng, _other: Picture) -> Picture:
    """Swap left and right."""
    return np.ascontiguousarray(picture[:, ::-1])


def quarter_turn(picture: Picture, _rng: Rng, _other: Picture) -> Picture:
    """Rotate by 90 degrees."""
    return np.ascontiguousarray(np.rot90(picture))


def turn(picture: Picture, _rng: Rng, _other: Picture) -> Picture:
    """Rotate by 15 degrees on a canvas that grows."""
    height, width = picture.shape[:2]
    angle = np.deg2rad(15)
    cos, sin = np.cos(angle), np.sin(angle)
    new = int(width * cos + height * sin), int(width * sin + height * cos)
    matrix = cv2.getRotationMatrix2D((width / 2, height / 2), 15, 1.0)
    matrix[:, 2] += (np.array(new) - (width, height)) / 2
    return np.asarray(cv2.warpAffine(picture, matrix, new), np.uint8)


def recolour(picture: Picture, rng: Rng, _other: Picture) -> Picture:
    """Change contrast, brightness and the balance of the channels."""
    gains, shift = rng.uniform(0.7, 1.4, 3), rng.uniform(-30, 30)
    return np.clip(picture * gains + shift, 0, 255).astype(np.uint8)


def caption(picture: Picture, _rng: Rng, _other: Picture) -> Picture:
    """Cover the lowest 18 % with a band of text."""
    edited, height, width = picture.copy(), *picture.shape[:2]
    cv2.rectangle(edited, (0, int(0.82 * height)), (width, height), (255, 255, 255), -1)
    spot, scale = (width // 20, int(0.94 * height)), width / 400
    cv2.putText(edited, "WHEN YOU SEE IT", spot, 0, scale, (0, 0, 0), 2, cv2.LINE_AA)
    return edited


def letterbox(picture: Picture, _rng: Rng, _other: Picture) -> Picture:
    """Add black bars of a quarter of the height above and below."""
    bar = picture.shape[0] // 4
    return np.pad(picture, ((bar, bar), (0, 0), (0, 0)))


def screenshot(picture: Picture, rng: Rng, _other: Picture) -> Picture:
    """Show it in a page on a telephone, with bars and lines of text around it."""
    width, height = 540, 1080
    page = np.full((height, width, 3), 250, np.uint8)
    cv2.rectangle(page, (0, 0), (width, 90), (60, 90, 150), -1)
    for line in range(8):
        end = int(rng.uniform(200, 500)), 880 + 20 * line
        cv2.rectangle(page, (20, 870 + 20 * line), end, GREY_INK, -1)
    scale = min(500 / picture.shape[1], 600 / picture.shape[0])
    inner = _resize(picture, int(picture.shape[1] * scale), int(picture.shape[0] * scale))
    top, left = 150, (width - inner.shape[1]) // 2
    page[top : top + inner.shape[0], left : left + inner.shape[1]] = inner
    return recompress(page, 70)


def paste_into(side: float) -> Attack:
    """Paste it at this share of the side of another photograph."""

    def attack(picture: Picture, rng: Rng, other: Picture) -> Picture:
        canvas, height, width = other.copy(), *other.shape[:2]
        inner = _resize(picture, int(side * width), int(side * height))
        top = int(rng.uniform(0, 1 - side) * height)
        left = int(rng.uniform(0, 1 - side) * width)
        canvas[top : top + inner.shape[0], left : left + inner.shape[1]] = inner
        return canvas

    return attack


def collage(picture: Picture, rng: Rng, other: Picture) -> Picture:
    """Put it beside another photograph of the same height."""
    height = picture.shape[0]
    beside = _resize(other, int(other.shape[1] * height / other.shape[0]), height)
    pair = [picture, beside] if rng.random() < 0.5 else [beside, picture]
    return np.concatenate(pair, 1)


def splice(picture: Picture, rng: Rng, other: Picture) -> Picture:
    """Replace a box of 15 % of the area by part of another photograph."""
    edited, height, width = picture.copy(), *picture.shape[:2]
    side = np.sqrt(0.15)
    patch = _resize(other, int(side * width), int(side * height))
    top, left = int(rng.uniform(0, 1 - side) * height), int(rng.uniform(0, 1 - side) * width)
    edited[top : top + patch.shape[0], left : left + patch.shape[1]] = patch
    return edited


def strong(picture: Picture, rng: Rng, other: Picture) -> Picture:
    """Compose two to four of the others and store as JPEG of quality 50."""
    names = [name for name in ATTACKS if name != "strong"]
    for name in rng.permutation(names)[: int(rng.integers(2, 5))]:
        picture = ATTACKS[str(name)](picture, rng, other)
    return recompress(picture, 50)


ATTACKS: dict[str, Attack] = {
    "jpeg": compress,
    "crop 20 %": crop_away(0.2),
    "crop 50 %": crop_away(0.5),
    "crop 80 %": crop_away(0.8),
    "mirror": mirror,
    "rotate 90": quarter_turn,
    "rotate 15": turn,
    "colour": recolour,
    "text band": caption,
    "letterbox": letterbox,
    "screenshot": screenshot,
    "paste 40 %": paste_into(0.4),
    "collage": collage,
    "splice": splice,
    "strong": strong,
}
