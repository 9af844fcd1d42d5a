"""The measures agree with examples worked out by hand and with scikit-learn."""

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, precision_recall_curve

from benchmarks.copies.retrieval_metrics import NO_REFERENCE, Ranking, bootstrap

SCORES = np.array([[0.9, 0.1, 0.2], [0.8, 0.7, 0.0], [0.85, 0.3, 0.2]], dtype=np.float32)
TRUTH = np.array([0, 1, NO_REFERENCE])


def random_case(seed, queries=40, references=70):
    rng = np.random.default_rng(seed)
    scores = rng.random((queries, references)).astype(np.float32)
    truth = np.where(
        rng.random(queries) < 0.3, NO_REFERENCE, rng.integers(references, size=queries)
    )
    truth[0] = 3
    known = np.flatnonzero(truth >= 0)
    scores[known, truth[known]] += rng.random(len(known)).astype(np.float32)
    return scores, truth


def test_a_small_case_worked_by_hand():
    # best first: .9 right, .85 wrong, .8 wrong, .7 right: precisions 1/1 and 2/4
    figures = Ranking.of(SCORES, TRUTH).figures()
    assert figures.micro_ap == pytest.approx((1 + 2 / 4) / 2)
    assert figures.recall_at_1 == 0.5
    assert figures.recall_at_50 == 1.0
    assert figures.recall_at_p90 == 0.5


def test_ties_count_against_the_method():
    flat = np.zeros((1, 60), dtype=np.float32)
    figures = Ranking.of(flat, np.array([7])).figures()
    assert figures.micro_ap == pytest.approx(1 / 60)
    assert figures.recall_at_1 == figures.recall_at_50 == figures.recall_at_p90 == 0.0
    # two right pairs tied with one wrong one: wrong first, precisions 1/2 and 2/3
    tied = np.array([[1, 0], [0, 1], [1, 0]], dtype=np.float32)
    assert Ranking.of(tied, np.array([0, 1, -1])).figures().micro_ap == pytest.approx(7 / 12)


def test_a_distractor_costs_precision_and_not_recall():
    alone = Ranking.of(SCORES[:2], TRUTH[:2]).figures()
    both = Ranking.of(SCORES, TRUTH).figures()
    assert alone.micro_ap == pytest.approx((1 + 2 / 3) / 2) and both.micro_ap < alone.micro_ap
    assert (alone.recall_at_1, alone.recall_at_50) == (both.recall_at_1, both.recall_at_50)


@pytest.mark.parametrize("seed", range(5))
def test_without_ties_it_is_what_scikit_learn_says(seed):
    scores, truth = random_case(seed)
    right = truth[:, None] == np.arange(scores.shape[1])
    figures = Ranking.of(scores, truth).figures()
    expected = average_precision_score(right.ravel(), scores.ravel())
    assert figures.micro_ap == pytest.approx(expected, abs=1e-9)
    precision, recall, _ = precision_recall_curve(right.ravel(), scores.ravel())
    assert figures.recall_at_p90 == pytest.approx(recall[precision >= 0.9].max())


@pytest.mark.parametrize("seed", range(3))
def test_recall_at_k_is_what_sorting_every_query_says(seed):
    scores, truth = random_case(seed)
    places = [
        np.argsort(-row).tolist().index(t) for row, t in zip(scores, truth, strict=True) if t >= 0
    ]
    figures = Ranking.of(scores, truth).figures()
    assert figures.recall_at_1 == pytest.approx(np.mean([place < 1 for place in places]))
    assert figures.recall_at_50 == pytest.approx(np.mean([place < 50 for place in places]))


def test_the_fiftieth_candidate_counts_and_the_fifty_first_does_not():
    falling = -np.arange(60, dtype=np.float32)[None]
    for place, found in ((0, 1.0), (49, 1.0), (50, 0.0)):
        assert Ranking.of(falling, np.array([place])).figures().recall_at_50 == found


def test_a_bootstrap_draw_is_the_same_as_repeating_the_queries():
    scores, truth = random_case(1)
    draws = np.random.default_rng(2).integers(0, 4, size=len(truth))
    drawn = Ranking.of(scores, truth).figures(draws)
    repeated = Ranking.of(np.repeat(scores, draws, axis=0), np.repeat(truth, draws)).figures()
    assert drawn == repeated


def test_the_interval_surrounds_the_figure_and_is_a_point_for_a_perfect_method():
    scores, truth = random_case(4)
    ranking, picture = Ranking.of(scores, truth), np.arange(len(truth))
    low, high = bootstrap(ranking, picture, samples=100, rng=np.random.default_rng(0))["micro_ap"]
    assert low < ranking.figures().micro_ap < high
    perfect = Ranking.of(np.eye(20, dtype=np.float32), np.arange(20))
    interval = bootstrap(perfect, np.arange(20), samples=20, rng=np.random.default_rng(0))
    assert set(interval.values()) == {(1.0, 1.0)}


def test_queries_of_one_picture_are_drawn_together():
    # two pictures, one found under both attacks and one never: a draw has 0, 1/2 or 1 of them
    scores = np.array([[1, 0], [1, 0], [1, 0], [1, 0]], dtype=np.float32)
    ranking = Ranking.of(scores, np.array([0, 1, 0, 1]))
    low, high = bootstrap(
        ranking, np.array([0, 1, 0, 1]), samples=200, rng=np.random.default_rng(0)
    )["recall_at_1"]
    assert (low, high) == (0.0, 1.0)


def test_what_cannot_be_measured_is_refused():
    with pytest.raises(ValueError, match="no query has a right reference"):
        Ranking.of(SCORES, np.array([-1, -1, -1]))
    with pytest.raises(ValueError, match="finite"):
        Ranking.of(np.full((1, 2), np.nan, dtype=np.float32), np.array([0]))
