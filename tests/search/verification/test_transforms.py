"""Plane transforms against answers worked out by hand."""

import numpy as np
import pytest

from search.verification.transforms import (
    applied,
    common_area,
    fitted_affine,
    fitted_homography,
    fitted_similarity,
    inverse,
    overlaps,
    parts,
    plausible,
)
from tests.search.photographs import similarity

SQUARE = np.array([[0, 0], [100, 0], [100, 50], [0, 50], [30, 20]], dtype=np.float64)


def test_a_similarity_is_recovered():
    known = similarity(30, 1.5, 7, -3)
    assert np.allclose(fitted_similarity(SQUARE, applied(known, SQUARE)), known)


def test_an_affine_transform_and_a_homography_are_recovered():
    affine = np.array([[1.2, 0.1, 5], [-0.2, 0.8, 9], [0, 0, 1.0]])
    assert np.allclose(fitted_affine(SQUARE, applied(affine, SQUARE)), affine)
    bent = np.array([[1.2, 0.1, 5], [-0.2, 0.8, 9], [1e-4, 2e-4, 1.0]])
    found = fitted_homography(SQUARE, applied(bent, SQUARE))
    assert np.allclose(found, bent, atol=1e-3)


@pytest.mark.parametrize(("degrees", "scale"), [(0, 1), (90, 1), (-45, 0.5), (179, 2)])
@pytest.mark.parametrize("mirrored", [False, True])
def test_a_transform_is_taken_apart(degrees, scale, mirrored):
    flip = np.array([[-1, 0, 100], [0, 1, 0], [0, 0, 1.0]]) if mirrored else np.eye(3)
    found = parts(similarity(degrees, scale, 5, 6) @ flip, (100, 50))
    assert found[0] is mirrored
    assert found[1:] == (pytest.approx(degrees), pytest.approx(scale))


def test_a_half_turn_is_180_degrees_whatever_the_rounding():
    for sign in (-1e-9, 1e-9):
        assert parts(similarity(180 + sign, 1, 0, 0), (10, 10))[1] == pytest.approx(180)


def test_overlaps_are_fractions_of_each_picture():
    # a picture 100 x 100 shrunk to 40 x 40 inside one of 80 x 80
    pasted = np.array([[0.4, 0, 10], [0, 0.4, 20], [0, 0, 1.0]])
    assert overlaps(pasted, (100, 100), (80, 80)) == (pytest.approx(1), pytest.approx(0.25))
    half = np.array([[1, 0, 50], [0, 1, 0], [0, 0, 1.0]])
    assert overlaps(half, (100, 100), (100, 100)) == (pytest.approx(0.5), pytest.approx(0.5))
    assert len(common_area(half @ half @ half, (100, 100), (100, 100))) == 0


def test_what_nobody_does_to_a_picture_is_not_plausible():
    size = (100, 80)
    assert plausible(np.eye(3), size)
    assert not plausible(np.diag([-1, 1, 1.0]), size)  # unless it is expected to mirror
    assert plausible(np.diag([-1, 1, 1.0]), size, mirrored=True)
    assert not plausible(np.diag([20, 20, 1.0]), size)
    assert not plausible(np.diag([3, 1, 1.0]), size)
    assert not plausible(np.array([[1, 0, 0], [0, 1, 0], [0.02, 0, 1.0]]), size)
    assert not plausible(np.full((3, 3), np.nan), size)


def test_the_way_back_undoes_the_way_there():
    there = similarity(20, 1.3, 4, 5)
    assert np.allclose(applied(inverse(there), applied(there, SQUARE)), SQUARE)
