import numpy as np
import pytest
from sklearn.metrics import average_precision_score, roc_auc_score

from probes.evaluation.metrics import (
    RocCurve,
    binary_metrics,
    bootstrap,
    calibration_error,
    multiclass_metrics,
    reliability,
)

# Worked out by hand. Sorted by score: fake .9, real .8, fake .7 and real .7 (a tie), real .1.
Y = np.array([1, 0, 1, 0, 0])
SCORES = np.array([0.9, 0.8, 0.7, 0.7, 0.1])


def test_the_area_counts_a_tie_one_half() -> None:
    # Pairs fake over real: .9 beats 3; .7 beats .1, ties one, loses one: (3 + 1 + .5) / 6
    assert RocCurve.of(Y, SCORES).area == pytest.approx(4.5 / 6)
    assert RocCurve.of(Y, SCORES).area == pytest.approx(roc_auc_score(Y, SCORES))


def test_fakes_found_at_a_false_positive_rate() -> None:
    curve = RocCurve.of(Y, SCORES)
    assert curve.true_positive_rate(0.0) == 0.5
    assert curve.true_positive_rate(0.34) == 0.5  # .8 costs one third and finds nothing
    # the tied real picture comes with the tied fake: 2/3 are predicted for all fakes
    assert curve.true_positive_rate(0.66) == 0.5
    assert curve.true_positive_rate(0.67) == 1.0
    assert curve.threshold(0.67) == 0.7
    assert curve.threshold(0.0) == 0.9


def test_nothing_is_found_where_no_threshold_keeps_to_the_budget() -> None:
    curve = RocCurve.of(np.array([0, 1]), np.array([0.9, 0.1]))
    assert curve.true_positive_rate(0.05) == 0.0
    assert curve.threshold(0.05) == np.inf


def test_the_equal_error_rate_lies_on_the_straight_line() -> None:
    # Points (fpr, miss): (0, 1), (0, .5), (1/3, .5), (2/3, 0), (1, 0). Between (1/3, 1/2) and
    # (2/3, 0) they meet: 1/3 + s/3 = 1/2 - s/2, s = 1/5, at 1/3 + 1/15 = .4
    assert RocCurve.of(Y, SCORES).equal_error_rate == pytest.approx(0.4)
    perfect = RocCurve.of(np.array([0, 0, 1]), np.array([0.1, 0.2, 0.3]))
    assert perfect.equal_error_rate == pytest.approx(0)
    reversed_ = RocCurve.of(np.array([1, 0]), np.array([0.1, 0.2]))
    assert reversed_.equal_error_rate == pytest.approx(1)
    same = RocCurve.of(np.array([1, 0, 1]), np.array([0.5, 0.5, 0.5]))
    assert same.equal_error_rate == pytest.approx(0.5)


def test_calibration_error_by_hand() -> None:
    # Bins of a tenth: .05 and .09 (mean .07, none true), .95 and 1.0 (mean .975, half true)
    y = np.array([0, 0, 1, 0])
    probabilities = np.array([0.05, 0.09, 0.95, 1.0])
    assert reliability(y, probabilities) == [
        (pytest.approx(0.07), 0.0, 2),
        (pytest.approx(0.975), 0.5, 2),
    ]
    assert calibration_error(y, probabilities) == pytest.approx((2 * 0.07 + 2 * 0.475) / 4)


def test_all_binary_metrics_by_hand() -> None:
    metrics = binary_metrics(Y, SCORES)
    # called fake from .5: 4 of them, 2 right; called real: 1, right
    assert metrics["accuracy"] == pytest.approx(3 / 5)
    assert metrics["balanced_accuracy"] == pytest.approx((1 + 1 / 3) / 2)
    # F1 of real: precision 1, recall 1/3: 1/2. Of fake: precision 1/2, recall 1: 2/3.
    assert metrics["macro_f1"] == pytest.approx((1 / 2 + 2 / 3) / 2)
    # precision 1 at recall 1/2; with the tie, 2 of 4 at recall 1
    assert metrics["ap"] == pytest.approx(0.5 * 1 + 0.5 * 0.5)
    assert metrics["ap"] == pytest.approx(average_precision_score(Y, SCORES))
    assert metrics["tpr@0.05"] == 0.5


def test_multiclass_metrics_by_hand() -> None:
    y = np.array([0, 0, 1, 2])
    probabilities = np.array([[0.8, 0.1, 0.1], [0.4, 0.5, 0.1], [0.1, 0.8, 0.1], [0.2, 0.2, 0.6]])
    metrics = multiclass_metrics(y, probabilities)
    assert metrics["accuracy"] == 0.75
    assert metrics["balanced_accuracy"] == pytest.approx((0.5 + 1 + 1) / 3)
    # F1: class 0 precision 1, recall 1/2: 2/3; class 1 precision 1/2, recall 1: 2/3; class 2: 1
    assert metrics["macro_f1"] == pytest.approx((2 / 3 + 2 / 3 + 1) / 3)
    assert metrics["auc"] == 1.0


def test_the_bootstrap_resamples_groups() -> None:
    # 200 pictures in two groups: all metrics a resample can have are those of (a, a), (a, b),
    # (b, b); by picture the interval would be narrow around the middle.
    y = np.tile([0, 1], 100)
    groups = np.repeat(["a", "b"], 100)
    values = np.repeat([0.0, 1.0], 100)

    def mean(some: np.ndarray) -> dict[str, float]:
        return {"mean": float(values[some].mean())}

    assert bootstrap(mean, y, groups, resamples=200)["mean"] == (0.0, 1.0)
    by_picture = bootstrap(mean, y, np.arange(200), resamples=200)["mean"]
    assert 0.4 < by_picture[0] < by_picture[1] < 0.6


def test_a_draw_without_a_class_is_drawn_again() -> None:
    y = np.array([0, 1])
    found = bootstrap(lambda some: {"fakes": float(y[some].mean())}, y, np.arange(2), resamples=50)
    assert found["fakes"] == (0.5, 0.5)
