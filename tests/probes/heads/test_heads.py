"""Hand-placed points: what each head must answer is worked out beside them."""

import numpy as np
import pytest
from scipy.special import expit
from sklearn.covariance import LedoitWolf

from probes.choices import HEAD_NAMES
from probes.heads.fewshot import CacheHead, PrototypeHead
from probes.heads.linear import DiscriminantHead, LinearHead, LogisticHead, RidgeHead
from probes.heads.nearest import MahalanobisHead, NearestMeanHead, NeighboursHead
from probes.heads.one_class import RealOnlyHead
from probes.heads.patch import PatchHead, patch_map
from probes.heads.registry import HEADS, make_head

# Two clouds with the means (-2, 0) and (2, 0), symmetric about the line x = 0.
SQUARE = np.array([[-3, 1], [-3, -1], [-1, 1], [-1, -1], [3, 1], [3, -1], [1, 1], [1, -1]], float)
SIDES = np.array([0, 0, 0, 0, 1, 1, 1, 1])


@pytest.mark.parametrize("method", ["prototypes", "mahalanobis", "lda", "ridge", "logistic"])
def test_the_border_of_symmetric_clouds_is_the_line_between_them(method: str) -> None:
    head = make_head(method).fit(SQUARE, SIDES)
    assert head.decision_function(np.array([[0.0, 5.0], [0.0, -7.0]])) == pytest.approx(0, abs=1e-6)
    assert head.predict(np.array([[-0.01, 9.0], [0.01, -9.0]])).tolist() == [0, 1]
    assert (head.predict(SQUARE) == SIDES).all()


def test_prototypes_score_by_squared_distance_to_the_means() -> None:
    # Means (-2, 0) and (2, 0); their centre is 0, and the samples lie 10, 10, 2, 2, 10, 10, 2, 2
    # away from it, squared: 6 on average. At (1, 3): |x-p|² = 18 and 10, so the lead is 8/6.
    head = PrototypeHead().fit(SQUARE, SIDES)
    assert head.prototypes_.tolist() == [[-2, 0], [2, 0]]
    assert head.decision_function([[1.0, 3.0]]) == pytest.approx(8 / 6)
    assert head.predict_proba([[1.0, 3.0]])[0, 1] == pytest.approx(expit(8 / 6))


def test_the_nearest_mean_goes_by_direction_and_not_by_length() -> None:
    # Directions: class 0 means (1, 0), class 1 means (0, 1). (9, 1) is far from both points but
    # points along class 0; (0.01, 0.02) points nearer class 1.
    head = NearestMeanHead().fit([[1.0, 0.0], [0.0, 5.0]], [0, 1])
    assert head.means_.tolist() == [[1, 0], [0, 1]]
    assert head.predict([[9.0, 1.0], [0.01, 0.02]]).tolist() == [0, 1]
    # cosines .6 and .8: the lead is 10 * .2
    assert head.decision_function([[3.0, 4.0]]) == pytest.approx(2.0)


def test_a_tie_is_the_first_class_and_one_half() -> None:
    head = NearestMeanHead().fit([[1.0, 0.0], [0.0, 1.0]], [0, 1])
    assert head.predict_proba([[1.0, 1.0]])[0].tolist() == [0.5, 0.5]
    assert head.predict([[1.0, 1.0]]).tolist() == [0]


def test_mahalanobis_measures_in_the_spread_of_the_classes() -> None:
    # Both classes are ten times as long in y as in x: what counts is x, here nearer class 1.
    rng = np.random.default_rng(0)
    cloud = rng.normal(size=(4000, 2)) * [0.5, 5]
    X = np.concatenate([cloud, cloud + [4.0, 20.0]])
    y = np.repeat([0, 1], 4000)
    head = MahalanobisHead().fit(X, y)
    covariance = LedoitWolf(assume_centered=True).fit(X - head.means_[y]).covariance_
    point = np.array([2.9, 6.0])  # Euclid: nearer to (0, 0)
    far = [float((point - m) @ np.linalg.inv(covariance) @ (point - m)) for m in head.means_]
    assert head.decision_function([point])[0] == pytest.approx((far[0] - far[1]) / 2)
    assert head.predict([point]).tolist() == [1]
    assert PrototypeHead().fit(X, y).predict([point]).tolist() == [0]


def test_mahalanobis_does_not_believe_that_rare_is_rare() -> None:
    X, y = np.vstack([SQUARE[:4], SQUARE[:4], SQUARE]), np.repeat([0, 0, 0, 1], 4)
    at_border = [[0.0, 0.0]]
    assert MahalanobisHead().fit(X, y).decision_function(at_border) == pytest.approx(0, abs=1e-9)
    assert DiscriminantHead().fit(X, y).decision_function(at_border)[0] == pytest.approx(
        np.log(1 / 3)
    )


def test_neighbours_vote_by_cosine_and_classes_weigh_the_same() -> None:
    # By angle from (1, 0): class 0 at 0, 10, 20 degrees; class 1 at 50. At 30 degrees with k=3
    # the neighbours are 20 (0), 10 (0), 50 (1): votes 2/3 against 1/1, so 1 wins with 3/5.
    def at(*degrees: float) -> np.ndarray:
        return np.stack([np.cos(np.radians(degrees)), np.sin(np.radians(degrees))], axis=1)

    head = NeighboursHead(k=3).fit(at(0, 10, 20, 50), [0, 0, 0, 1])
    assert head.predict_proba(at(31))[0] == pytest.approx([2 / 5, 3 / 5])
    assert NeighboursHead(k=1).fit(at(0, 10, 20, 50), [0, 0, 0, 1]).predict(at(31)) == [0]


def test_the_cache_votes_by_affinity() -> None:
    # Keys (-1, 0) and (1, 0), centre 0. For a query at 60 degrees to (1, 0) the cosines are -.5
    # and .5: log affinities differ by beta * 1.
    head = CacheHead(beta=4.0).fit([[-2.0, 0.0], [2.0, 0.0]], [0, 1])
    assert head.decision_function([[1.0, np.sqrt(3)]]) == pytest.approx(4.0)


@pytest.mark.parametrize("method", [*HEADS])
def test_one_picture_of_each_class_is_enough(method: str) -> None:
    head = make_head(method).fit([[1.0, 0.0], [0.0, 1.0]], [0, 1])
    lead = head.decision_function([[0.9, 0.2], [0.2, 0.9]])
    assert lead[1] > 0 > lead[0]


def test_logistic_regression_is_scikit_learn_s() -> None:
    from sklearn.linear_model import LogisticRegression

    rng = np.random.default_rng(1)
    X, y = rng.normal(size=(200, 5)) + 3, rng.integers(0, 2, 200)
    X[y == 1] += 0.7
    centre = X.mean(axis=0)
    scale = np.sqrt(np.mean((X - centre) ** 2))
    theirs = LogisticRegression(C=0.1, class_weight="balanced", tol=1e-8).fit(
        (X - centre) / scale, y
    )
    ours = LogisticHead(C=0.1).fit(X, y)
    want = theirs.decision_function((X - centre) / scale)
    assert ours.decision_function(X) == pytest.approx(want, abs=1e-3)


@pytest.mark.parametrize("head", [LogisticHead(C=0.1), RidgeHead(C=0.1)])
def test_few_samples_of_many_features_are_fitted_the_short_way(head: LinearHead) -> None:
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(20, 50)), np.arange(20) % 2
    X[:, 0] += y
    short = head.fit(X, y).decision_function(X)
    head._rotates = False
    assert head.fit(X, y).decision_function(X) == pytest.approx(short, abs=1e-4)


def test_ridge_solves_the_normal_equations() -> None:
    X = SQUARE - SQUARE.mean(axis=0)
    scale = np.sqrt(np.mean(X**2))
    targets = np.where(SIDES == 1, 1.0, -1.0)
    weights = np.linalg.solve(
        (X / scale).T @ (X / scale) + np.eye(2) / 0.5, (X / scale).T @ targets
    )
    head = RidgeHead(C=0.5).fit(SQUARE, SIDES)
    assert head.decision_function(SQUARE) == pytest.approx((X / scale) @ weights, abs=1e-6)


def test_a_strength_is_chosen_by_folds_that_keep_groups_together() -> None:
    # Each group has a place of its own and one class: a weak penalty learns the places, which
    # folds by picture would reward. What is left of the signal is one feature.
    rng = np.random.default_rng(0)
    groups = np.repeat(np.arange(20), 6)
    y = groups % 2
    X = rng.normal(size=(20, 40))[groups] * 3 + rng.normal(size=(120, 40)) * 0.1
    X[:, 0] += 2 * y
    by_group = LogisticHead().fit(X, y, groups=groups).C_
    assert by_group <= LogisticHead().fit(X, y).C_


def test_several_classes_each_get_their_own() -> None:
    corners = np.array([[4.0, 0.0], [-4.0, 0.0], [0.0, 4.0], [0.0, -4.0]])
    X = np.concatenate([corners + shift for shift in ([0.3, 0.3], [-0.3, 0.3], [0, -0.4])])
    y = np.tile(["a", "b", "c", "d"], 3)
    for method in HEADS:
        head = make_head(method).fit(X, y)
        assert head.predict(corners).tolist() == ["a", "b", "c", "d"], method
        assert head.predict_proba(corners).sum(axis=1) == pytest.approx(1)


def test_a_head_for_real_pictures_alone_finds_what_is_far() -> None:
    # Four points of covariance diag(2.5, 2.5)... unit spread in x and y; (0, 9) is far.
    real = np.array([[2, 0], [-2, 0], [0, 2], [0, -2], [1, 1], [-1, -1], [1, -1], [-1, 1]], float)
    head = RealOnlyHead(contamination=0.1).fit(real)
    assert head.mean_.tolist() == [0, 0]
    # covariance is diag(1.5, 1.5) exactly: 9² / 1.5 = 54
    assert head.score_samples([[0.0, 9.0]]) == pytest.approx(-54)
    assert head.predict([[0.0, 9.0], [0.0, 0.0]]).tolist() == [-1, 1]


def local_fakes(count: int, tokens: int, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return pictures (n, tokens * 4) of noise; of fakes, one token carries (3, 0, 0, 0)."""
    rng = np.random.default_rng(seed)
    bags = rng.normal(size=(count, tokens, 4)) * 0.5
    y = np.arange(count) % 2
    where = rng.integers(0, tokens, count)
    bags[np.flatnonzero(y), where[y == 1], 0] += 3
    return bags.reshape(count, -1), y, where


@pytest.mark.parametrize("pooling", ["attention", "max"])
def test_a_patch_head_finds_a_local_fake_and_shows_where(pooling: str) -> None:
    X, y, _ = local_fakes(200, 25, seed=0)
    head = PatchHead(base="lda", pooling=pooling, tokens=25).fit(X, y)
    unseen, truth, where = local_fakes(200, 25, seed=1)
    assert (head.predict(unseen) == truth).mean() > 0.85
    fakes = np.flatnonzero(truth)
    maps = [patch_map(head, unseen[one].reshape(25, 4), (5, 5)) for one in fakes]
    found = [int(values.argmax()) for values in maps]
    assert np.mean(np.array(found) == where[fakes]) > 0.9
    # the mean token alone does worse: pooling is what finds it
    plain = make_head("lda").fit(X.reshape(200, 25, 4).mean(axis=1), y)
    mean = plain.predict(unseen.reshape(200, 25, 4).mean(axis=1))
    assert (head.predict(unseen) == truth).mean() > (mean == truth).mean()


def test_the_names_of_heads_are_those_that_can_be_chosen() -> None:
    assert tuple(HEADS) == HEAD_NAMES
