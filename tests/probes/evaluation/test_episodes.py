import numpy as np
import pytest

from indexer.errors import UsageError
from probes.evaluation.episodes import EpisodeResult, Episodes, draw, run_episodes
from tests.probes.points import dataset, record


def records(fakes: int = 40) -> list:
    real = [record(n, "real", group=f"g{n % 20}") for n in range(40)]
    gan = [record(100 + n, "fake", generator="gan") for n in range(fakes)]
    return real + gan + [record(200 + n, "fake", generator="flow") for n in range(5)]


def test_an_episode_asks_about_groups_it_has_not_shown() -> None:
    groups = np.array([f"g{n % 20}" for n in range(40)] + [f"f{n}" for n in range(40)])
    reals, fakes = np.arange(40), np.arange(40, 80)
    for seed in range(20):
        one = draw(reals, fakes, groups, 5, 15, np.random.default_rng(seed))
        assert (one.support < 40).sum() == (one.support >= 40).sum() == 5
        assert (one.query < 40).sum() == (one.query >= 40).sum() == 15
        assert not set(groups[one.support]) & set(groups[one.query])
        assert len(set(one.query.tolist())) == 30


def test_more_shots_teach_more_and_every_head_meets_the_same_episodes() -> None:
    data = dataset(records(), lead=1.2)
    found = run_episodes(data, shots=(1, 10), episodes=30, methods=("prototypes", "lda"))
    again = run_episodes(data, shots=(10,), episodes=30, methods=("prototypes",))
    assert found.held_out_generator == "gan"
    by_shots = found.methods["prototypes"]
    assert by_shots[10] == again.methods["prototypes"][10]
    assert by_shots[10].auc > by_shots[1].auc + 0.05
    assert by_shots[10].ci95[0] < by_shots[10].auc < by_shots[10].ci95[1]
    assert by_shots[10].spread[0] < by_shots[10].ci95[0]
    json = found.to_json()
    assert json["shots"] == json["methods"][json["method"]]
    assert set(json["shots"]["1"]) >= {"auc", "ci95", "balanced_accuracy", "episodes"}


@pytest.mark.slow
def test_without_a_difference_no_head_finds_one() -> None:
    data = dataset(records(), lead=0.0)
    found = run_episodes(data, shots=(5,), episodes=100, methods=("prototypes", "knn", "cache"))
    for by_shots in found.methods.values():
        assert by_shots[5].auc == pytest.approx(0.5, abs=0.06)


def test_the_best_head_has_the_best_mean_rank() -> None:
    def result(auc: float) -> EpisodeResult:
        return EpisodeResult(auc, (auc, auc), (auc, auc), 0.5, 2)

    table = {
        "a": {1: result(0.9), 5: result(0.1), 10: result(0.2)},
        "b": {1: result(0.6), 5: result(0.7), 10: result(0.6)},
        "c": {1: result(0.5), 5: result(0.6), 10: result(0.7)},
    }
    found = Episodes(held_out_generator="g", query_per_class=1, seed=0, pictures={}, methods=table)
    assert found.method == "b"  # ranks 1, 0, 1 against 0, 2, 2 and 2, 1, 0


def test_fewer_pictures_than_asked_for_are_counted_in_the_error() -> None:
    data = dataset(records(fakes=20))
    wanted = "10 shots and 15 queries a class need 25 pictures of gan and as many real ones, got 20"
    with pytest.raises(UsageError, match=wanted):
        run_episodes(data, shots=(1, 10), episodes=2)
    with pytest.raises(UsageError, match=r"need 16 pictures of nobody .* got 0 and 40.*gan 20"):
        run_episodes(data, held_out="nobody", shots=(1,), episodes=2)
