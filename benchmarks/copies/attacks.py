"""The manipulations the copy benchmark tries: pure, seeded functions of a picture and another one.

Every attack is ``(image, other, rng) -> AttackResult``: RGB pictures in, the manipulated picture
out, and where they are known the altered area and the transform. None recompresses its result
unless its name says so; whoever writes a result to a file decides that.
"""

from __future__ import annotations

import io
import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageEnhance

from benchmarks.copies.lettering import font, text_block, tint, words

Mask = npt.NDArray[np.bool_]
Matrix = npt.NDArray[np.float64]

SPLICED_SHARE = 0.15  # of the picture's area
PASTED_SIDE = 0.4  # of the other picture's side
STICKER_SIDE = 0.45  # of the picture's side


@dataclass(frozen=True)
class AttackResult:
    """A manipulated picture and what is known about the manipulation.

    ``mask`` (height, width) bool marks the pixels of ``image`` whose content was replaced;
    ``transform`` (3, 3) takes a point of the original to ``image``, in pixels, with the origin at
    the corner of the first pixel.
    """

    image: Image.Image
    mask: Mask | None = None
    transform: Matrix | None = None


Attack = Callable[[Image.Image, Image.Image, np.random.Generator], AttackResult]


def recompressed(image: Image.Image, quality: int) -> Image.Image:
    """Return the picture as it looks after a JPEG file of this quality."""
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=quality)
    return Image.open(buffer).convert("RGB")


def jpeg_half(image: Image.Image, other: Image.Image, rng: np.random.Generator) -> AttackResult:
    """Halve both sides and save as JPEG of quality 10."""
    half = _scaled(image, 0.5)
    return AttackResult(recompressed(half, 10), transform=_resize_matrix(image, half))


def crop20(image: Image.Image, other: Image.Image, rng: np.random.Generator) -> AttackResult:
    """Cut away 20 % of the area."""
    return _crop(image, 0.8, rng)


def crop50(image: Image.Image, other: Image.Image, rng: np.random.Generator) -> AttackResult:
    """Cut away 50 % of the area."""
    return _crop(image, 0.5, rng)


def crop80(image: Image.Image, other: Image.Image, rng: np.random.Generator) -> AttackResult:
    """Cut away 80 % of the area."""
    return _crop(image, 0.2, rng)


def mirror(image: Image.Image, other: Image.Image, rng: np.random.Generator) -> AttackResult:
    """Exchange left and right."""
    flipped = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    return AttackResult(flipped, transform=np.array([[-1, 0, image.width], [0, 1, 0], [0, 0, 1.0]]))


def rot90(image: Image.Image, other: Image.Image, rng: np.random.Generator) -> AttackResult:
    """Turn by a quarter, to the left."""
    turned = image.transpose(Image.Transpose.ROTATE_90)
    return AttackResult(turned, transform=np.array([[0, 1, 0], [-1, 0, image.width], [0, 0, 1.0]]))


def rot15(image: Image.Image, other: Image.Image, rng: np.random.Generator) -> AttackResult:
    """Turn by 15 degrees either way, on a larger black canvas."""
    angle = float(rng.choice([-15, 15]))
    turned = image.rotate(angle, resample=Image.Resampling.BICUBIC, expand=True)
    cos, sin = math.cos(math.radians(angle)), math.sin(math.radians(angle))
    rotation = np.array([[cos, sin, 0], [-sin, cos, 0], [0, 0, 1.0]])
    to_centre = _shift(-image.width / 2, -image.height / 2)
    back = _shift(turned.width / 2, turned.height / 2)
    return AttackResult(turned, transform=back @ rotation @ to_centre)


def colour(image: Image.Image, other: Image.Image, rng: np.random.Generator) -> AttackResult:
    """Change brightness, contrast, saturation and the balance of the channels."""
    for enhancer in (ImageEnhance.Brightness, ImageEnhance.Contrast, ImageEnhance.Color):
        factor = float(rng.choice([rng.uniform(0.55, 0.8), rng.uniform(1.25, 1.7)]))
        image = enhancer(image).enhance(factor)
    gains = rng.uniform(0.75, 1.25, size=3)
    balanced = np.clip(np.asarray(image, dtype=np.float64) * gains, 0, 255)
    return AttackResult(Image.fromarray(balanced.astype(np.uint8)), transform=np.eye(3))


def text(image: Image.Image, other: Image.Image, rng: np.random.Generator) -> AttackResult:
    """Cover a fifth of the picture, at the top or the bottom, with a band of text."""
    height = max(1, round(0.2 * image.height))
    top = 0 if rng.random() < 0.5 else image.height - height
    dark = bool(rng.random() < 0.5)
    ground, ink = ((0, 0, 0), (255, 255, 255)) if dark else ((255, 255, 255), (0, 0, 0))
    band = text_block((image.width, height), 2, ground, ink, rng)
    return _covered(image, band, (0, top))


def letterbox(image: Image.Image, other: Image.Image, rng: np.random.Generator) -> AttackResult:
    """Add black bars on two opposite sides, each an eighth to a quarter of the picture."""
    share = rng.uniform(0.125, 0.25)
    across = rng.random() < 0.5
    dx = 0 if across else round(share * image.width)
    dy = round(share * image.height) if across else 0
    canvas = Image.new("RGB", (image.width + 2 * dx, image.height + 2 * dy))
    return _placed(image, canvas, (dx, dy))


def screenshot(image: Image.Image, other: Image.Image, rng: np.random.Generator) -> AttackResult:
    """Show the picture as a post on a telephone's screen."""
    dark = bool(rng.random() < 0.5)
    ground, ink = ((18, 18, 20), (235, 235, 235)) if dark else ((255, 255, 255), (25, 25, 25))
    width = image.width + 2 * round(rng.uniform(0, 0.05) * image.width)
    head, unit = round(0.22 * width), max(2, round(0.07 * width))
    height = max(round(2 * width), head + image.height + 4 * unit)
    screen = Image.new("RGB", (width, height), ground)
    draw = ImageDraw.Draw(screen)
    draw.text((unit, unit // 4), "12:34", fill=ink, font=font(unit * 0.6))
    accent = tint(rng)
    draw.ellipse((unit, head - 2 * unit, unit * 5 / 2, head - unit / 2), fill=accent)
    draw.text((3 * unit, head - 1.7 * unit), words(2, rng), fill=ink, font=font(unit * 0.8))
    below = head + image.height + unit // 2
    lines = text_block((width - 2 * unit, 3 * unit), 3, ground, ink, rng)
    screen.paste(lines, (unit, below))
    return _placed(image, screen, ((width - image.width) // 2, head))


def paste40(image: Image.Image, other: Image.Image, rng: np.random.Generator) -> AttackResult:
    """Paste the picture, at 40 % of the side (16 % of the area), into another photograph."""
    area = math.sqrt(other.width * other.height / (image.width * image.height))
    fits = min(other.width / image.width, other.height / image.height)
    small = _scaled(image, min(PASTED_SIDE * area, fits))
    place = _place(other.size, small.size, rng)
    result = _placed(small, other.copy(), place)
    return AttackResult(result.image, transform=_shift(*place) @ _resize_matrix(image, small))


def collage(image: Image.Image, other: Image.Image, rng: np.random.Generator) -> AttackResult:
    """Set the picture beside, or above, another one of the same height, or width."""
    beside, first = rng.random() < 0.5, rng.random() < 0.5
    if beside:
        other = _resized(other, (round(other.width * image.height / other.height), image.height))
        size = (image.width + other.width, image.height)
        places = ((0, 0), (image.width, 0)) if first else ((other.width, 0), (0, 0))
    else:
        other = _resized(other, (image.width, round(other.height * image.width / other.width)))
        size = (image.width, image.height + other.height)
        places = ((0, 0), (0, image.height)) if first else ((0, other.height), (0, 0))
    canvas = Image.new("RGB", size)
    canvas.paste(other, places[1])
    return _placed(image, canvas, places[0])


def splice(image: Image.Image, other: Image.Image, rng: np.random.Generator) -> AttackResult:
    """Replace a box of 15 % of the area with a piece of another photograph."""
    size = _box_size(image.size, SPLICED_SHARE, rng)
    fit = max(1.0, size[0] / other.width, size[1] / other.height)
    source = _scaled(other, fit)
    x, y = _place(source.size, size, rng)
    piece = source.crop((x, y, x + size[0], y + size[1]))
    return _covered(image, piece, _place(image.size, size, rng))


def overlay(image: Image.Image, other: Image.Image, rng: np.random.Generator) -> AttackResult:
    """Stick another picture, framed in white, at 45 % of the side (20 % of the area), onto it."""
    area = math.sqrt(image.width * image.height / (other.width * other.height))
    fits = min(image.width / other.width, image.height / other.height)
    small = _scaled(other, min(STICKER_SIDE * area, fits))
    border = max(1, round(0.03 * min(small.size)))
    ImageDraw.Draw(small).rectangle(
        (0, 0, small.width - 1, small.height - 1), outline=(255, 255, 255), width=border
    )
    return _covered(image, small, _place(image.size, small.size, rng))


def strong(image: Image.Image, other: Image.Image, rng: np.random.Generator) -> AttackResult:
    """Compose two to four of the other attacks, then save as JPEG of quality 50.

    One a group at most, in the order of `STAGES`: cuts come before frames and pastes, so that a
    part of the original always stays in the picture.
    """
    count = int(rng.integers(2, 5))
    chosen = sorted(rng.choice(len(STAGES), size=count, replace=False))
    result = AttackResult(image, transform=np.eye(3))
    for stage in chosen:
        step = STAGES[stage][int(rng.integers(len(STAGES[stage])))](result.image, other, rng)
        assert step.transform is not None and result.transform is not None
        result = AttackResult(step.image, transform=step.transform @ result.transform)
    return AttackResult(recompressed(result.image, 50), transform=result.transform)


STAGES: tuple[tuple[Attack, ...], ...] = (
    (crop20, crop50, crop80),
    (colour,),
    (splice, overlay),
    (mirror, rot90, rot15),
    (text, letterbox),
    (screenshot, paste40, collage),
)

ATTACKS: dict[str, Attack] = {
    attack.__name__: attack
    for attack in (
        *(jpeg_half, crop20, crop50, crop80, mirror, rot90, rot15, colour),
        *(text, letterbox, screenshot, paste40, collage, splice, overlay, strong),
    )
}


def _crop(image: Image.Image, kept: float, rng: np.random.Generator) -> AttackResult:
    width, height = _box_size(image.size, kept, rng)
    x, y = _place(image.size, (width, height), rng)
    part = image.crop((x, y, x + width, y + height))
    return AttackResult(part, transform=_shift(-x, -y))


def _box_size(size: tuple[int, int], share: float, rng: np.random.Generator) -> tuple[int, int]:
    """Return a box of this share of the area, its aspect ratio varied where there is room."""
    room = min(0.2, -math.log(share) / 2)
    stretch = math.exp(rng.uniform(-room, room))
    width = round(size[0] * math.sqrt(share) * stretch)
    height = round(size[0] * size[1] * share / max(1, width))
    return max(1, min(size[0], width)), max(1, min(size[1], height))


def _place(
    outer: tuple[int, int], inner: tuple[int, int], rng: np.random.Generator
) -> tuple[int, int]:
    """Return a corner at which the inner box lies within the outer one."""
    x = int(rng.integers(0, max(0, outer[0] - inner[0]) + 1))
    y = int(rng.integers(0, max(0, outer[1] - inner[1]) + 1))
    return x, y


def _placed(image: Image.Image, canvas: Image.Image, place: tuple[int, int]) -> AttackResult:
    canvas.paste(image, place)
    return AttackResult(canvas, transform=_shift(*place))


def _covered(image: Image.Image, cover: Image.Image, place: tuple[int, int]) -> AttackResult:
    canvas = image.copy()
    canvas.paste(cover, place)
    mask = np.zeros((image.height, image.width), dtype=np.bool_)
    mask[place[1] : place[1] + cover.height, place[0] : place[0] + cover.width] = True
    return AttackResult(canvas, mask=mask, transform=np.eye(3))


def _scaled(image: Image.Image, factor: float) -> Image.Image:
    return _resized(image, (round(image.width * factor), round(image.height * factor)))


def _resized(image: Image.Image, size: tuple[int, int]) -> Image.Image:
    return image.resize((max(1, size[0]), max(1, size[1])), Image.Resampling.BICUBIC)


def _shift(dx: float, dy: float) -> Matrix:
    return np.array([[1, 0, dx], [0, 1, dy], [0, 0, 1.0]])


def _resize_matrix(before: Image.Image, after: Image.Image) -> Matrix:
    return np.diag([after.width / before.width, after.height / before.height, 1.0])
