"""The localisation measures agree with masks drawn by hand; masks follow their pixels."""

import json

import numpy as np
import pytest
from PIL import Image

from benchmarks.copies.aligned_difference import aligned_difference
from benchmarks.copies.local_cases import HONEST, Case, case, plan
from benchmarks.copies.localisation import measured, render, run
from tests.benchmarks.pictures import DATA, map_of_itself, opened, photographs


def box(x, y, width, height) -> np.ndarray:
    mask = np.zeros((100, 200), dtype=np.bool_)
    mask[y : y + height, x : x + width] = True
    return mask


def by_hand(altered, visible=None) -> Case:
    blank = Image.new("RGB", (200, 100))
    return Case(blank, blank, altered, ~box(0, 0, 0, 0) if visible is None else visible)


def test_overlap_area_error_and_false_alarm_by_hand():
    # 40 x 50 altered, 40 x 50 marked, 20 x 50 of both: 1000 of 3000, and 1000 of 20000 wrong
    row = measured("m", "e", "t", [by_hand(box(0, 0, 40, 50))], [box(20, 0, 40, 50)])
    assert row.iou == pytest.approx(1 / 3)
    assert row.area_error == 0.0
    assert row.false_alarm == pytest.approx(0.05)


def test_only_what_shows_the_original_is_judged():
    # the left half is not visible: half of the altered box is left, and all of it is marked
    one = by_hand(box(80, 0, 40, 100), visible=box(100, 0, 100, 100))
    row = measured("m", "e", "t", [one], [box(0, 0, 120, 100)])
    assert (row.iou, row.area_error, row.false_alarm) == (1.0, 0.0, 0.0)


def test_an_honest_copy_has_no_overlap_but_false_alarms():
    row = measured("m", HONEST, "t", [by_hand(box(0, 0, 0, 0))] * 2, [box(0, 0, 20, 10)] * 2)
    assert row.iou is None and row.cases == 2
    assert row.area_error == row.false_alarm == pytest.approx(200 / 20000)


def test_a_mask_of_another_shape_is_refused():
    with pytest.raises(ValueError, match="expected a mask"):
        measured("m", "e", "t", [by_hand(box(0, 0, 5, 5))], [np.zeros((3, 3), dtype=np.bool_)])


@pytest.mark.parametrize("treatment", ["alone", "crop", "rotation", "mirror"])
def test_the_mask_follows_the_altered_pixels(treatment):
    image, other = map_of_itself(300, 400), Image.new("RGB", (300, 400), (0, 0, 255))
    made = case("local_splice", treatment, image, other, seed=1)
    pixels = np.asarray(made.copy, dtype=np.int64)
    spliced = pixels[..., 2] - pixels[..., :2].max(axis=2) > 120  # blue as only the other is
    really = spliced & made.visible
    assert (really & made.altered).sum() / (really | made.altered).sum() > 0.93


def test_half_size_carries_the_whole_picture():
    made = case(HONEST, "half", map_of_itself(301, 400), map_of_itself(30, 40), seed=1)
    assert made.copy.size == (150, 200) and made.visible.mean() > 0.99 and not made.altered.any()


def test_the_baseline_finds_a_splice_in_a_mirrored_copy_and_nothing_in_an_honest_one():
    image, other = (opened(path) for path in photographs(5)[1:3])
    made = case("local_splice", "mirror", image, other, seed=0)
    row = measured("m", "e", "t", [made], [aligned_difference(made.original, made.copy)])
    assert row.iou > 0.6
    honest = case(HONEST, "q50", image, other, seed=0)
    assert aligned_difference(honest.original, honest.copy).mean() < 0.01


def test_what_cannot_be_aligned_is_not_marked():
    image = opened(photographs(5)[1])
    blank = Image.new("RGB", (64, 48), (200, 10, 10))
    assert aligned_difference(image, blank).shape == (48, 64)
    assert not aligned_difference(image, blank).any()


def test_a_run_gives_every_row_to_every_method():
    methods = {
        "nothing": lambda original, copy: np.zeros((copy.height, copy.width), dtype=np.bool_),
        "everything": lambda original, copy: np.ones((copy.height, copy.width), dtype=np.bool_),
    }
    report = run(DATA / "photos" / "skirt", methods=methods, originals=2)
    assert len(report.rows) == 2 * len(plan())
    for row in report.rows:
        if row.method == "nothing":
            assert row.iou in (0.0, None) and row.false_alarm == 0.0
        else:
            assert row.false_alarm == pytest.approx(row.area_error)
    json.dumps(report.to_json())
    assert render(report).row_count == len(report.rows)
