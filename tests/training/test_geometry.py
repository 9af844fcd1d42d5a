"""Placements and traces against warps whose result is known."""

from __future__ import annotations

import numpy as np
import pytest

from training.drawing import backdrop
from training.edits import Scene, edited_view, render, training_pair
from training.generated import KINDS
from training.geometry import Placement, corners, move, patch_centres, trace_patches
from training.photos import pyramid

SIZE = 64


def gradient(height=120, width=160):
    """Red = column, green = row, blue = 0: a pixel's colour says where it came from."""
    rows, columns = np.mgrid[:height, :width]
    return np.stack([columns, rows, np.zeros_like(rows)], 2).astype(np.uint8)


def test_crop_maps_to_the_window():
    part = Placement.whole(160, 120).crop(0.25, 0.5, 0.5, 0.25)
    assert (part.width, part.height) == (80, 30)
    assert move(corners(80, 30), part.back).tolist() == [[40, 60], [120, 60], [120, 90], [40, 90]]


def test_mirror_twice_and_four_quarter_turns_are_nothing():
    start = Placement.whole(160, 120)
    back = start.mirror().mirror()
    for _ in range(4):
        back = back.rotate(90, expand=True)
    assert np.allclose(back.back, np.eye(3))
    assert (back.width, back.height) == pytest.approx((160, 120))


def test_rotation_keeps_the_centre_and_grows_the_canvas():
    turned = Placement.whole(160, 120).rotate(30, expand=True)
    centre = np.array([[turned.width / 2, turned.height / 2]])
    assert move(centre, turned.back)[0].tolist() == pytest.approx([80, 60])
    cos, sin = np.cos(np.pi / 6), np.sin(np.pi / 6)
    assert turned.width == pytest.approx(160 * cos + 120 * sin)


def test_what_was_cropped_away_does_not_show_when_the_crop_is_pasted():
    placed = Placement.whole(160, 120).crop(0, 0, 0.5, 1).embed(0.5, 0.5, 0.25, 0.25, 1.0)
    visible = placed.squash(SIZE).visible()
    assert visible[32:48, 32:48].all()
    assert int(visible.sum()) == pytest.approx(16 * 16, rel=0.15)


def test_rendered_colours_say_where_each_pixel_came_from():
    source = pyramid(gradient())
    placement = Placement.whole(160, 120).crop(0.25, 0.25, 0.5, 0.5).mirror()
    view = render(Scene(placement, backdrop), source, np.random.default_rng(0), SIZE)
    middle = np.mgrid[8:56:8, 8:56:8].reshape(2, -1).T[:, ::-1]
    there = move(middle + 0.5, view.placement.back) - 0.5
    drawn = view.pixels[middle[:, 1], middle[:, 0], :2]
    assert np.abs(drawn - there).max() < 1.5


def test_tracing_a_mirrored_copy_mirrors_the_patch_grid():
    whole = Placement.whole(160, 120)
    first, second = whole.squash(SIZE), whole.mirror().squash(SIZE)
    trace = trace_patches(first, first.visible(), second, second.visible()).reshape(4, 4)
    assert trace.tolist() == np.arange(16).reshape(4, 4)[:, ::-1].tolist()


def test_tracing_a_quarter_crop_names_the_patches_of_that_quarter():
    whole = Placement.whole(160, 120)
    first, second = whole.squash(SIZE), whole.crop(0.5, 0.5, 0.5, 0.5).squash(SIZE)
    trace = trace_patches(first, first.visible(), second, second.visible()).reshape(4, 4)
    assert trace.tolist() == [[10, 10, 11, 11]] * 2 + [[14, 14, 15, 15]] * 2


def test_tracing_a_paste_names_only_the_patches_under_it():
    whole = Placement.whole(160, 120)
    first = whole.squash(SIZE)
    second = whole.embed(0.5, 0.0, 0.5, 0.5, 1.0).squash(SIZE)
    trace = trace_patches(first, first.visible(), second, second.visible()).reshape(4, 4)
    assert (trace >= 0).tolist() == [[False, False, True, True]] * 2 + [[False] * 4] * 2


def test_patch_centres_run_along_rows():
    assert patch_centres(32).tolist() == [[8, 8], [24, 8], [8, 24], [24, 24]]


def test_strong_views_trace_to_the_same_colours():
    """Follow traced patches of geometric edits only and compare source positions."""
    source, other = pyramid(gradient()), pyramid(np.full((120, 160, 3), 255, np.uint8))
    for seed in range(20):
        first, second, trace = training_pair(source, other, np.random.default_rng(seed), SIZE, 1.0)
        shown = np.flatnonzero(trace >= 0)
        here = move(patch_centres(SIZE)[shown], second.placement.back)
        there = move(patch_centres(SIZE)[trace[shown]], first.placement.back)
        assert np.abs(here - there).max(initial=0) <= 20.5  # half a patch of a 160 px wide source


def test_views_depend_on_the_seed_alone():
    source = pyramid(gradient())
    origin = Placement.whole(160, 120)
    one, two = (
        edited_view(origin, source, source, np.random.default_rng(5), SIZE, 1.0) for _ in range(2)
    )
    assert np.array_equal(one.pixels, two.pixels)


@pytest.mark.parametrize("kind", KINDS)
def test_generated_pictures_have_content(kind):
    picture = kind(np.random.default_rng(1), 60, 80)
    assert picture.shape == (60, 80, 3)
    assert picture.dtype == np.uint8
    assert picture.std() > 5
