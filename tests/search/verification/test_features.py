"""Local features: places in the original's pixels, and a mirror that needs no second look."""

import numpy as np
import pytest
from PIL import Image, ImageOps

from search.verification.features import LocalFeatures, local_features
from tests.search.photographs import photograph


def test_mirrored_features_are_those_of_the_mirrored_picture():
    image = photograph("shoes", 0)
    made, read = local_features(image).mirrored(), local_features(ImageOps.mirror(image))
    apart = np.linalg.norm(made.points[:, None] - read.points[None], axis=2)
    alike = np.where(apart < 0.5, made.unit @ read.unit.T, -1).max(axis=1)
    assert (alike > 0.98).mean() > 0.9


def test_mirroring_twice_changes_nothing():
    features = local_features(photograph("shoes", 1))
    twice = features.mirrored().mirrored()
    assert np.allclose(twice.points, features.points, atol=1e-3)
    assert np.array_equal(twice.descriptors, features.descriptors)


def test_points_are_in_pixels_of_the_original():
    pixels = np.zeros((300, 500, 3), dtype=np.uint8)
    yy, xx = np.mgrid[0:300, 0:500] + 0.5
    blob = np.exp(-((xx - 400) ** 2 + (yy - 90) ** 2) / (2 * 8.0**2))
    pixels[:] = (255 * blob)[..., None].astype(np.uint8)
    for side in (400, 640, 1000):
        features = local_features(pixels, longest_side=side)
        apart = np.linalg.norm(features.points - (400, 90), axis=1)
        assert apart.min() < 0.5
    assert (features.width, features.height) == (500, 300)


def test_points_are_spread_and_limited():
    noise = np.random.default_rng(0).integers(0, 255, (400, 400, 3), dtype=np.uint8)
    noise[:, 200:] = (noise[:, 200:] * 0.25).astype(np.uint8)  # a quarter of the contrast
    features = local_features(noise, count=200)
    assert len(features) == 200
    assert (features.points[:, 0] > 205).sum() >= 20  # by strength alone there would be none


def test_a_flat_picture_has_no_points():
    assert len(local_features(Image.new("RGB", (300, 200), (90, 120, 40)))) == 0


def test_what_is_no_picture_is_refused():
    with pytest.raises(ValueError, match="uint8"):
        local_features(np.zeros((10, 10), dtype=np.uint8))
    with pytest.raises(ValueError, match="expected"):
        LocalFeatures(
            np.zeros((3, 2), np.float32),
            np.zeros(2, np.float32),
            np.zeros(3, np.float32),
            np.zeros((3, 128), np.uint8),
            10,
            10,
        )
