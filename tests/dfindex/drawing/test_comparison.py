"""The overlay picture: what is drawn where, checked at the pixels."""

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from dfindex.drawing.comparison import CAPTION, DIMMED, MARGIN, PANEL, overlay
from dfindex.drawing.palette import ALTERED, SHARED
from indexer.media.image import DecodedImage
from search.evidence import Evidence
from search.results import Match
from search.verdict import Verdict
from search.verification.compare import Comparison

SIZE = (400, 200)
FACTOR = PANEL / SIZE[0]


def comparison(boxes, transform):
    mask = np.zeros(SIZE[::-1], dtype=bool)
    for x, y, width, height in boxes:
        mask[y : y + height, x : x + width] = True
    match = Match(
        inliers=50,
        transform=tuple(map(tuple, np.asarray(transform, float).tolist())),
        mirrored=False,
        rotation_deg=0.0,
        scale=1.0,
        query_overlap=0.5,
        sample_overlap=0.5,
        altered_fraction=0.1,
        altered_boxes=tuple(boxes),
    )
    strength = np.where(mask, 12, 0).astype(np.float32)
    return Comparison(Verdict.ALTERED_COPY, 0.9, match, None, mask, strength)


def shown(size, colour, scale=1.0):
    """Return a picture of an original size that was decoded at a scale."""
    decoded = Image.new("RGB", tuple(round(side * scale) for side in size), colour)
    return DecodedImage(decoded, *size, "PNG")


def drawn(found, scale=1.0):
    grey = (128, 128, 128)
    evidence = Evidence(shown(SIZE, grey, scale), shown(SIZE, grey, scale / 2), found)
    return np.asarray(overlay(evidence)).astype(int)


def test_the_shared_area_keeps_its_light_and_the_rest_is_dimmed():
    shifted = [[1, 0, -200], [0, 1, 0], [0, 0, 1]]  # the right half of A is the left one of B
    canvas = drawn(comparison([], shifted))
    middle = CAPTION + round(100 * FACTOR)
    left, right = MARGIN + round(100 * FACTOR), MARGIN + round(300 * FACTOR)
    assert np.all(np.abs(canvas[middle, left] - 128 * DIMMED) <= 1)
    assert np.all(canvas[middle, right] == 128)
    second = MARGIN + PANEL + MARGIN
    assert np.all(canvas[middle, second + round(100 * FACTOR)] == 128)
    outline = np.abs(canvas - SHARED).max(axis=2) < 40
    assert outline[:, : second - MARGIN].any()
    assert outline[:, second:].any()


@pytest.mark.parametrize("scale", [1.0, 0.5])
def test_the_altered_area_is_hot_and_boxed_in_both(scale):
    """Wherever the pictures were decoded smaller than they are, and the mask with them."""
    box = (100, 60, 120, 80)
    found = comparison([box], np.eye(3))
    step = round(1 / scale)
    found = replace(
        found,
        altered_mask=found.altered_mask[::step, ::step],
        strength=found.strength[::step, ::step],
    )
    canvas = drawn(found, scale)
    middle = CAPTION + round(100 * FACTOR)
    for start in (MARGIN, 2 * MARGIN + PANEL):
        red, green, _ = canvas[middle, start + round(160 * FACTOR)]
        assert red > green + 40
        assert np.all(canvas[middle, start + round(300 * FACTOR)] == 128)
        edge = canvas[middle, start + round(100 * FACTOR) - 3 : start + round(100 * FACTOR) + 4]
        assert (np.abs(edge - ALTERED).max(axis=1) < 60).any()


def test_pictures_without_a_match_are_shown_as_they_are():
    found = Comparison(Verdict.UNRELATED, 0.0, None)
    tall = overlay(Evidence(shown((100, 300), "white"), shown(SIZE, "white"), found))
    assert tall.height > CAPTION + PANEL
    assert tall.width >= round(PANEL / 3) + PANEL + 3 * MARGIN
