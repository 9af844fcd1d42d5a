import numpy as np
import pytest
from scipy.special import expit

from probes.calibration import NOT_CALIBRATED, Calibrator
from probes.choices import Calibration


def test_platt_finds_the_sigmoid_that_made_the_classes() -> None:
    rng = np.random.default_rng(0)
    scores = rng.normal(size=20_000)
    y = (rng.random(20_000) < expit(2.5 * scores - 1)).astype(np.int64)
    slope, offset = Calibrator.fit(Calibration.PLATT, scores, y).points
    assert (slope, offset) == (pytest.approx(2.5, abs=0.15), pytest.approx(-1, abs=0.1))


def test_platt_is_never_certain() -> None:
    # Scores that separate 4 from 4: the targets are 5/6 and 1/6.
    scores = np.array([-1.0] * 4 + [1.0] * 4)
    found = Calibrator.fit(Calibration.PLATT, scores, np.repeat([0, 1], 4))(scores)
    assert found == pytest.approx([1 / 6] * 4 + [5 / 6] * 4, abs=1e-3)


def test_a_head_that_is_wrong_is_not_turned_round() -> None:
    scores, y = np.array([1.0, 2.0, -1.0, -2.0]), np.array([0, 0, 1, 1])
    assert Calibrator.fit(Calibration.PLATT, scores, y)(scores) == pytest.approx([0.5] * 4)


def test_isotonic_is_the_pooled_staircase() -> None:
    # 0, 1 | 1, 0 in the middle are pooled to one half; between scores it is a straight line
    scores, y = np.array([0.0, 1.0, 2.0, 3.0]), np.array([0, 1, 0, 1])
    found = Calibrator.fit(Calibration.ISOTONIC, scores, y)
    assert found(np.array([-9.0, 0.0, 0.5, 1.0, 2.0, 2.5, 3.0, 9.0])) == pytest.approx(
        [0, 0, 0.25, 0.5, 0.5, 0.75, 1, 1]
    )


def test_without_calibration_it_is_the_plain_sigmoid() -> None:
    assert NOT_CALIBRATED(np.array([0.0, 2.0])) == pytest.approx([0.5, expit(2.0)])


def test_several_classes_are_sharpened_together() -> None:
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(20_000, 3))
    chances = np.exp(3 * logits) / np.exp(3 * logits).sum(axis=1, keepdims=True)
    y = (chances.cumsum(axis=1) < rng.random((20_000, 1))).sum(axis=1)
    found = Calibrator.fit(Calibration.PLATT, logits, y)
    assert found.points[0] == pytest.approx(3, rel=0.1)


def test_it_survives_json_exactly() -> None:
    rng = np.random.default_rng(0)
    scores, y = rng.normal(size=50), rng.integers(0, 2, 50)
    for kind in Calibration:
        one = Calibrator.fit(kind, scores, y)
        again = Calibrator.from_json(one.to_json())
        assert again(scores).tolist() == one(scores).tolist()
