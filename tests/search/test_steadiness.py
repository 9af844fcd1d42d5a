"""Wandering from one projective map: none in copies, measured in what a lens bends."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from PIL import Image

from search.alignment import align
from search.compare import STEADY, compare_images
from search.steadiness import wandering
from search.verdict import COPIES, Verdict
from tests.search.photographs import photograph, recompressed, similarity, warped
from tests.shared import needs_shared, shared_data

# The same floor, photographed again with another garment on it.
SAME_FLOOR = [
    ("train/longsleeve/e1e4439e*", "train/longsleeve/02c1ab85*"),
    ("train/shirt/54f0bc77*", "validation/shirt/66f2df55*"),
    ("train/pants/5d6be0e5*", "train/t-shirt/773cca6b*"),
    ("train/shoes/a28a7997*", "train/shoes/e2dd7cf5*"),
]


def bent(image: Image.Image, pixels: float) -> Image.Image:
    """Move every place inwards or outwards, by ``pixels`` at the middle of the picture's rim."""
    height, width = image.height, image.width
    y, x = np.mgrid[:height, :width].astype(np.float32)
    across, down = (x - width / 2) / (width / 2), (y - height / 2) / (height / 2)
    share = pixels * (across**2 + down**2)
    to_x, to_y = (each.astype(np.float32) for each in (x + share * across, y + share * down))
    moved = cv2.remap(np.asarray(image), to_x, to_y, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT)
    return Image.fromarray(moved)


def wander(first: Image.Image, second: Image.Image, transform: np.ndarray) -> float:
    found = wandering(align(np.asarray(first), np.asarray(second), transform))
    assert found is not None
    return found


@pytest.mark.parametrize("place", [0, 3])
def test_a_copy_keeps_to_one_map(place: int) -> None:
    image = photograph("shoes", place)
    turned = similarity(11, 0.8, 90, 20)
    copy = recompressed(warped(image, turned, (500, 600)), 75)
    assert wander(image, copy, turned) < 0.6 * STEADY


def test_what_a_lens_bends_wanders_as_far_as_it_is_bent() -> None:
    image = photograph("shoes", 3)
    steps = [wander(image, bent(image, pixels), np.eye(3)) for pixels in (0, 2, 4)]
    assert steps[0] < 0.05
    # What a projective map cannot follow grows with the bend.
    assert STEADY < steps[1] < steps[2]
    # Not in proportion: where it is bent most, little is alike enough to be followed.
    assert 1.2 * steps[1] < steps[2] < 2 * steps[1]


def test_without_structure_nothing_is_said() -> None:
    flat = np.full((200, 300, 3), 128, np.uint8)
    assert wandering(align(flat, flat, np.eye(3), refine=False)) is None


@needs_shared
@pytest.mark.parametrize(("one", "other"), SAME_FLOOR)
def test_a_floor_photographed_again_is_no_copy(one: str, other: str) -> None:
    photos = shared_data / "photos_cc0"
    first, second = (Image.open(next(photos.glob(each))).convert("RGB") for each in (one, other))
    assert compare_images(first, second).verdict is Verdict.SIMILAR


def test_a_copy_of_which_half_is_covered_is_one() -> None:
    image, other = photograph("shoes", 3), photograph("hat", 1)
    covered = image.copy()
    covered.paste(other.resize((image.width, image.height // 2)), (0, 0))
    assert compare_images(image, recompressed(covered, 70)).verdict in COPIES
