"""Parallax: none in copies, measured in what a lens bends."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from PIL import Image

from search.verdict import COPIES, Verdict
from search.verification.alignment import align
from search.verification.compare import compare_images
from search.verification.parallax import Parallax, parallax
from search.verification.verdict_criteria import MAP_DRIFT, NO_DRIFT, ONE_MAP
from tests.checkout import needs_shared, shared_data
from tests.search.photographs import photograph, recompressed, similarity, warped

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


def strayed(first: Image.Image, second: Image.Image, transform: np.ndarray) -> Parallax:
    found = parallax(align(np.asarray(first), np.asarray(second), transform))
    assert found is not None
    return found


@pytest.mark.parametrize("place", [0, 3])
def test_a_copy_keeps_to_one_map(place: int) -> None:
    image = photograph("shoes", place)
    turned = similarity(11, 0.8, 90, 20)
    copy = recompressed(warped(image, turned, (500, 600)), 75)
    found = strayed(image, copy, turned)
    assert found.residual < 0.6 * ONE_MAP
    assert found.drift is not None
    assert found.drift < NO_DRIFT


def test_what_a_lens_bends_strays_as_far_as_it_is_bent() -> None:
    image = photograph("shoes", 3)
    steps = [strayed(image, bent(image, pixels), np.eye(3)) for pixels in (0, 2, 4)]
    assert steps[0].residual < 0.05
    # What a projective map cannot follow grows with the bend.
    assert ONE_MAP < steps[1].residual < steps[2].residual
    drifts = [each.drift or 0.0 for each in steps]
    assert drifts[0] < NO_DRIFT
    assert MAP_DRIFT < drifts[1] < drifts[2]


def test_noise_makes_places_stray_without_a_drift() -> None:
    image = photograph("shoes", 3)
    noise = np.random.default_rng(0).normal(0, 40, (image.height, image.width, 3))
    noisy = Image.fromarray(np.clip(np.asarray(image) + noise, 0, 255).astype(np.uint8))
    found = strayed(image, noisy, np.eye(3))
    assert found.residual > ONE_MAP
    assert found.drift is not None
    assert found.drift < 0.5 * found.residual


def test_without_structure_nothing_is_said() -> None:
    flat = np.full((200, 300, 3), 128, np.uint8)
    assert parallax(align(flat, flat, np.eye(3), refine=False)) is None


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
