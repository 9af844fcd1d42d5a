"""The baselines agree with their libraries, asked pair by pair."""

import cv2
import imagehash
import numpy as np
import pdqhash
import pytest

from benchmarks.copies.attacks import ATTACKS
from benchmarks.copies.hashes import Pdq, PdqDihedral, PHash
from benchmarks.copies.sift_baseline import RATIO, SiftRansac, _ratio_test
from tests.benchmarks.pictures import opened, photographs


@pytest.fixture(scope="module")
def paths():
    return photographs(6)


@pytest.fixture(scope="module")
def pictures(paths):
    return [opened(path) for path in paths]


def attacked(name, pictures):
    rng = np.random.default_rng(0)
    return [ATTACKS[name](picture, pictures[-1], rng).image for picture in pictures[:-1]]


def test_phash_scores_are_shares_of_equal_bits(paths, pictures):
    method = PHash()
    method.index(paths)
    queries = attacked("crop20", pictures)
    expected = [
        [1 - (imagehash.phash(q) - imagehash.phash(r)) / 64 for r in pictures] for q in queries
    ]
    np.testing.assert_allclose(method.scores(queries), expected, atol=1e-6)


def test_pdq_scores_are_shares_of_equal_bits(paths, pictures):
    method = Pdq()
    method.index(paths)
    queries = attacked("text", pictures)
    hashes = [[pdqhash.compute(np.asarray(p))[0] for p in ps] for ps in (queries, pictures)]
    expected = [[1 - (q != r).sum() / 256 for r in hashes[1]] for q in hashes[0]]
    np.testing.assert_allclose(method.scores(queries), expected, atol=1e-6)


@pytest.mark.parametrize("name", ["mirror", "rot90"])
def test_only_the_dihedral_variant_of_pdq_sees_through_a_reflection(name, paths, pictures):
    queries = attacked(name, pictures)
    own = np.arange(len(queries))
    for method, finds in ((PdqDihedral(), True), (Pdq(), False)):
        method.index(paths)
        scores = method.scores(queries)
        assert (scores[own, own].min() > 0.9) == finds


def test_the_ratio_test_is_what_a_brute_force_matcher_gives(paths, pictures):
    method = SiftRansac(features=200)
    method.index(paths)
    query = method._keypoints(attacked("rot15", pictures)[0])
    columns, block = method._blocks[0]
    nearest, passed = _ratio_test(query.descriptors, block)
    for place, column in enumerate(columns):
        reference = method.references[column].descriptors
        pairs = cv2.BFMatcher().knnMatch(query.descriptors, reference, k=2)
        kept = {(a.queryIdx, a.trainIdx) for a, b in pairs if a.distance < RATIO * b.distance}
        rows = np.flatnonzero(passed[:, place])
        ours = {(int(row), int(nearest[row, place])) for row in rows}
        assert len(ours ^ kept) <= 1  # a tie in the last bit may fall either way
    assert passed[:, columns.tolist().index(0)].sum() > 20


def test_sift_finds_turned_and_cropped_pictures(paths, pictures):
    method = SiftRansac(features=300)
    method.index(paths)
    queries = attacked("rot15", pictures) + attacked("crop50", pictures)
    scores = method.scores(queries)
    assert scores.shape == (len(queries), len(paths))
    assert scores.argmax(axis=1).tolist() == [0, 1, 2, 3, 4] * 2


def test_a_picture_without_features_scores_nothing(paths, pictures):
    method = SiftRansac(features=100)
    method.index(paths)
    blank = pictures[0].resize((50, 50)).point(lambda _: 127)
    assert not method.scores([blank]).any()
