"""Small alterations inside a picture, with the mask of what was altered."""

from __future__ import annotations

import math

import cv2
import numpy as np
from PIL import Image, ImageFilter

from benchmarks.copies.attacks import Attack, AttackResult, Mask
from indexer.types import UInt8

SMALLEST, LARGEST = 0.03, 0.12  # of the picture's area


def local_splice(image: Image.Image, other: Image.Image, rng: np.random.Generator) -> AttackResult:
    """Replace an ellipse of 3 to 12 % of the area with the same place of another photograph."""
    mask = _ellipse(image.size, rng)
    return _inside(image, mask, np.asarray(other.resize(image.size, Image.Resampling.BICUBIC)))


def inpainted_blur(
    image: Image.Image, other: Image.Image, rng: np.random.Generator
) -> AttackResult:
    """Fill an ellipse from its surroundings and blur it, as an object is wiped out."""
    mask = _ellipse(image.size, rng)
    filled = cv2.inpaint(np.asarray(image), mask.astype(np.uint8), 3, cv2.INPAINT_TELEA)
    blurred = Image.fromarray(filled).filter(ImageFilter.GaussianBlur(4))
    return _inside(image, mask, np.asarray(blurred))


def recoloured_region(
    image: Image.Image, other: Image.Image, rng: np.random.Generator
) -> AttackResult:
    """Turn the hue of an ellipse and shift its tone, as an object is given another colour."""
    mask = _ellipse(image.size, rng)
    hsv = np.asarray(image.convert("HSV")).astype(np.int16)
    hsv[..., 0] = (hsv[..., 0] + int(rng.integers(64, 192))) % 256
    hsv[..., 1] = np.clip(hsv[..., 1] + 60, 0, 255)
    turned = Image.fromarray(hsv.astype(np.uint8), "HSV").convert("RGB")
    return _inside(image, mask, np.asarray(turned))


LOCAL_EDITS: dict[str, Attack] = {
    edit.__name__: edit for edit in (local_splice, inpainted_blur, recoloured_region)
}


def _ellipse(size: tuple[int, int], rng: np.random.Generator) -> Mask:
    """Return a mask (height, width) of an ellipse that lies within the picture."""
    area = rng.uniform(SMALLEST, LARGEST) * size[0] * size[1]
    stretch = math.exp(rng.uniform(-0.4, 0.4))
    half_width = min(math.sqrt(area / math.pi) * stretch, 0.45 * size[0])
    half_height = min(area / math.pi / half_width, 0.45 * size[1])
    x = rng.uniform(half_width, size[0] - half_width)
    y = rng.uniform(half_height, size[1] - half_height)
    rows, columns = np.ogrid[0.5 : size[1], 0.5 : size[0]]
    inside = ((columns - x) / half_width) ** 2 + ((rows - y) / half_height) ** 2 <= 1
    return np.asarray(inside, dtype=np.bool_)


def _inside(image: Image.Image, mask: Mask, content: UInt8) -> AttackResult:
    altered = np.where(mask[..., None], content, np.asarray(image))
    return AttackResult(Image.fromarray(altered), mask=mask, transform=np.eye(3))
