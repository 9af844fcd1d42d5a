"""Geometry from local features: known transforms of real photographs are recovered."""

import numpy as np
import pytest
from PIL import Image, ImageOps

from search.verification.features import local_features
from search.verification.matching import match_features
from tests.search.photographs import moved_by, photograph, recompressed, similarity, warped

GRID = np.stack(np.meshgrid(np.linspace(0.1, 0.9, 5), np.linspace(0.1, 0.9, 5)), 2).reshape(-1, 2)


@pytest.mark.parametrize(
    ("degrees", "scale"), [(0, 1.0), (15, 1.0), (90, 0.6), (-140, 1.7), (180, 0.35)]
)
@pytest.mark.parametrize("mirrored", [False, True])
def test_a_known_transform_is_recovered(degrees, scale, mirrored):
    image = photograph("shirt", 2)
    middle = similarity(0, 1, -image.width / 2, -image.height / 2)
    canvas = (800, 900)
    known = similarity(degrees, scale, canvas[0] / 2, canvas[1] / 2) @ middle
    if mirrored:
        known = known @ np.array([[-1, 0, image.width], [0, 1, 0], [0, 0, 1.0]])
    copy = recompressed(warped(image, known, canvas), 80)
    found = match_features(local_features(image), local_features(copy))
    assert found is not None
    points = GRID * image.size
    error = np.linalg.norm(moved_by(found.transform, points) - moved_by(known, points), axis=1)
    assert error.max() < 1.5
    assert found.mirrored is mirrored
    assert found.scale == pytest.approx(scale, rel=0.01)
    turn = (found.rotation_deg - degrees + 180) % 360 - 180
    assert abs(turn) < 1
    assert found.confidence > 0.9


def test_features_mirrored_beforehand_give_the_same():
    image = photograph("shirt", 3)
    query, sample = local_features(ImageOps.mirror(image)), local_features(image)
    made, given = (
        match_features(query, sample, mirrored_query=each) for each in (None, query.mirrored())
    )
    assert made is not None
    assert given is not None
    assert np.array_equal(made.transform, given.transform)
    assert np.allclose(made.transform, [[-1, 0, image.width], [0, 1, 0], [0, 0, 1]], atol=0.02)


def test_a_small_copy_inside_another_photograph_is_found():
    image, host = photograph("dress", 1), photograph("pants", 1)
    small = image.resize((image.width * 2 // 5, image.height * 2 // 5), Image.Resampling.BICUBIC)
    scene = host.copy()
    scene.paste(small, (120, 90))
    found = match_features(local_features(recompressed(scene, 70)), local_features(image))
    assert found is not None
    assert found.confidence > 0.9
    assert found.sample_overlap == pytest.approx(1, abs=0.02)
    shares = small.width * small.height / (host.width * host.height)
    assert found.query_overlap == pytest.approx(shares, rel=0.05)


def test_other_photographs_are_not_found():
    features = [local_features(photograph("t-shirt", place)) for place in range(8)]
    for place, query in enumerate(features):
        for sample in features[:place]:
            found = match_features(query, sample)
            assert found is None or found.confidence < 0.5


def test_a_picture_without_points_matches_nothing():
    flat = local_features(Image.new("RGB", (300, 200), (90, 120, 40)))
    assert match_features(flat, local_features(photograph("shirt", 2))) is None
    assert match_features(flat, flat) is None
