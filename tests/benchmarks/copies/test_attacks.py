"""Every attack does what its name says, and the same again for the same seed."""

import cv2
import numpy as np
import pytest

from benchmarks.copies.attacks import ATTACKS, AttackResult
from benchmarks.copies.local_edits import LARGEST, LOCAL_EDITS, SMALLEST
from tests.benchmarks.pictures import map_of_itself, opened, photographs

EDITS = {**ATTACKS, **LOCAL_EDITS}
WITH_MASK = ["text", "splice", "overlay", *LOCAL_EDITS]
KEPT = {"crop20": 0.8, "crop50": 0.5, "crop80": 0.2}


@pytest.fixture(scope="module")
def photo():
    return opened(photographs(5)[1])


@pytest.fixture(scope="module")
def other():
    return opened(photographs(5)[3])


def attacked(name, image, other, seed=0) -> AttackResult:
    return EDITS[name](image, other, np.random.default_rng(seed))


def region(result: AttackResult, image) -> np.ndarray:
    """Return the part of the result where the original lies unscaled."""
    x, y = result.transform[:2, 2].astype(int)
    return np.asarray(result.image)[y : y + image.height, x : x + image.width]


def test_the_sixteen_attacks_are_there():
    assert len(ATTACKS) == 16
    assert {"jpeg_half", "rot15", "colour", "paste40", "overlay", "strong"} < set(ATTACKS)


@pytest.mark.parametrize("name", EDITS)
def test_an_attack_depends_on_its_seed_alone_and_leaves_its_input(name, photo, other):
    before = photo.tobytes(), other.tobytes()
    first, again = attacked(name, photo, other, 5), attacked(name, photo, other, 5)
    assert first.image.mode == "RGB"
    assert first.image.tobytes() == again.image.tobytes()
    assert first.image.tobytes() != photo.tobytes()
    assert (photo.tobytes(), other.tobytes()) == before


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("name", KEPT)
def test_a_crop_keeps_its_share_and_is_a_part_of_the_picture(name, seed, photo, other):
    result = attacked(name, photo, other, seed)
    share = result.image.width * result.image.height / (photo.width * photo.height)
    assert share == pytest.approx(KEPT[name], abs=0.01)
    x, y = (-result.transform[:2, 2]).astype(int)
    part = np.asarray(photo)[y : y + result.image.height, x : x + result.image.width]
    np.testing.assert_array_equal(np.asarray(result.image), part)


def test_mirror_and_quarter_turn_are_exact(photo, other):
    pixels = np.asarray(photo)
    np.testing.assert_array_equal(attacked("mirror", photo, other).image, pixels[:, ::-1])
    np.testing.assert_array_equal(attacked("rot90", photo, other).image, np.rot90(pixels))


def test_jpeg_half_halves_both_sides(photo, other):
    result = attacked("jpeg_half", photo, other)
    assert result.image.size == (round(photo.width / 2), round(photo.height / 2))


@pytest.mark.parametrize("name", WITH_MASK)
def test_nothing_changes_outside_the_mask(name, photo, other):
    result = attacked(name, photo, other)
    before, after = np.asarray(photo), np.asarray(result.image)
    np.testing.assert_array_equal(after[~result.mask], before[~result.mask])
    changed = (after[result.mask] != before[result.mask]).any(axis=1)
    assert changed.mean() > 0.8


@pytest.mark.parametrize(("name", "share"), [("splice", 0.15), ("text", 0.2), ("overlay", 0.2)])
def test_the_altered_share_is_as_promised(name, share, photo, other):
    assert attacked(name, photo, other).mask.mean() == pytest.approx(share, abs=0.015)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("name", LOCAL_EDITS)
def test_a_local_edit_stays_within_its_limits(name, seed, photo, other):
    share = attacked(name, photo, other, seed).mask.mean()
    assert SMALLEST * 0.95 < share < LARGEST * 1.05


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("name", ["letterbox", "screenshot", "collage"])
def test_a_frame_holds_the_whole_picture_unchanged(name, seed, photo, other):
    result = attacked(name, photo, other, seed)
    np.testing.assert_array_equal(region(result, photo), np.asarray(photo))
    assert result.image.width * result.image.height > photo.width * photo.height


def test_letterbox_adds_black_only(photo, other):
    result = attacked("letterbox", photo, other)
    total = np.asarray(result.image, dtype=np.int64).sum()
    assert total == np.asarray(photo, dtype=np.int64).sum()


def test_paste40_fills_a_sixth_of_the_other_picture(photo, other):
    result = attacked("paste40", photo, other)
    assert result.image.size == other.size
    changed = (np.asarray(result.image) != np.asarray(other)).any(axis=2)
    assert changed.mean() == pytest.approx(0.16, abs=0.01)


@pytest.mark.parametrize("name", [name for name in EDITS if name != "strong"])
def test_the_transform_takes_points_to_where_they_went(name, other):
    image = map_of_itself(300, 400)
    result = attacked(name, image, other)
    if name in ("colour", "recoloured_region"):
        np.testing.assert_array_equal(result.transform, np.eye(3))
        return
    seen = 0
    for x, y in np.random.default_rng(0).uniform((5, 5), (295, 395), size=(60, 2)):
        u, v, _ = (result.transform @ (x, y, 1)).astype(int)
        inside = 0 <= u < result.image.width and 0 <= v < result.image.height
        if not inside or (result.mask is not None and result.mask[v, u]):
            continue
        red, green, _ = result.image.getpixel((u, v))
        slack = 25 if name == "jpeg_half" else 4
        assert abs(red - 255 * x / 300) < slack and abs(green - 255 * y / 400) < slack
        seen += 1
    assert seen >= 8


def test_strong_always_leaves_a_part_of_the_original_in_the_picture(photo, other):
    corners = np.array([[0, 0, 1], [1, 0, 1], [1, 1, 1], [0, 1, 1]], dtype=np.float64)
    for seed in range(40):
        result = attacked("strong", photo, other, seed)
        width, height = result.image.size
        there = (corners * (photo.width, photo.height, 1)) @ result.transform.T
        frame = (corners * (width, height, 1))[:, :2]
        area, _ = cv2.intersectConvexConvex(
            there[:, :2].astype(np.float32), frame.astype(np.float32)
        )
        assert area > 0.02 * width * height
