import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from indexer.errors import UsageError
from probes.choices import SplitBy, Target
from probes.dataset import check_labels
from probes.evaluation.evaluate import evaluate
from probes.recipe import Recipe, fit
from tests.marks import mostly_slow
from tests.probes.points import dataset, halves, record

QUICK = Recipe(method="lda")


def plain_codec(ids: np.ndarray) -> np.ndarray:
    return np.random.default_rng(5).normal(size=(len(ids), 11)).astype(np.float32)


def test_the_figures_are_those_of_scores_nobody_saw() -> None:
    found = evaluate(dataset(halves(60)), QUICK, codec=plain_codec, resamples=50)
    assert found.n_train == found.n_test == 120
    assert sorted(found.ids) == list(range(1, 121))
    assert found.metrics["auc"] == pytest.approx(roc_auc_score(found.y, found.probabilities))
    # two unit normal clouds with a lead of 2 in each of two directions: distance 2 sqrt(2), and
    # the best AUC there is, is Phi(distance / sqrt(2)) = Phi(2) = .977
    assert 0.93 < found.metrics["auc"] <= 1
    low, high = found.ci95["auc"]
    assert low < found.metrics["auc"] < high
    assert np.sum(found.confusion) == 120
    assert found.confusion[1][1] == ((found.y == 1) & (found.probabilities >= 0.5)).sum()
    assert found.leakage.findings == ()


def test_class_names_are_the_right_way_round() -> None:
    records = [record(n, "fake") for n in range(1, 31)] + [record(n, "real") for n in range(31, 51)]
    found = evaluate(dataset(records), QUICK, resamples=20)
    assert found.classes == ("real", "fake")
    assert sum(found.confusion[0]) == 20
    assert sum(found.confusion[1]) == 30
    rows = {line.split()[0]: line.split()[-1] for line in found.report.splitlines()[2:4]}
    assert rows == {"real": "20", "fake": "30"}


@pytest.mark.parametrize(
    "method", mostly_slow(["lda", "logistic", "knn", "cache", "prototypes"], quick=1)
)
def test_shuffled_labels_are_worth_nothing(method: str) -> None:
    real = dataset(halves(60), lead=0.0)
    found = evaluate(real, Recipe(method=method), resamples=100)
    low, high = found.ci95["auc"]
    assert low <= 0.5 <= high


def test_the_threshold_keeps_to_the_budget() -> None:
    found = evaluate(dataset(halves(100)), QUICK, max_fpr=0.1, resamples=50)
    assert found.threshold is not None
    predicted = found.probabilities >= found.threshold.value
    assert predicted[found.y == 0].mean() == pytest.approx(found.threshold.fpr)
    assert found.threshold.fpr <= 0.1
    assert predicted[found.y == 1].mean() == pytest.approx(found.threshold.tpr)
    assert found.threshold.ci95[0] <= found.threshold.value <= found.threshold.ci95[1]


@pytest.mark.slow
def test_auto_takes_a_head_by_inner_folds_and_says_why() -> None:
    data = dataset(halves(30))
    made = fit(Recipe(), data.X, data.y, np.arange(len(data)).astype(str))
    assert made.choice.method in made.choice.scores
    best = max(score for score, _ in made.choice.scores.values())
    mean, _ = made.choice.scores[made.choice.method]
    assert mean <= best
    assert "folds inside the training samples" in made.choice.why


def test_real_pictures_alone_make_a_detector_of_the_strange() -> None:
    data = dataset([record(n, "real") for n in range(1, 201)], lead=0.0)
    made = fit(Recipe(), data.X, data.y, np.arange(200).astype(str))
    assert made.choice.method == "real-only"
    far, near = made.probabilities(np.array([[9.0] * 8, [0.0] * 8], dtype=np.float32))
    assert far == pytest.approx(200 / 201)  # stranger than all 200
    assert near < 0.1
    unseen = np.random.default_rng(9).normal(size=(2000, 8)).astype(np.float32)
    assert (made.probabilities(unseen) >= 0.95).mean() == pytest.approx(0.05, abs=0.03)


def planted(source_of: dict[str, str]) -> list:
    return [
        record(n, label, source=source_of.get(label), group=f"{label}{n % 7}")
        for n, label in enumerate(["real"] * 40 + ["fake"] * 40)
    ]


@pytest.mark.slow
def test_a_source_on_both_sides_is_named() -> None:
    records = [
        record(n, label, source="mixed-camera" if n % 2 else f"phone-{n}")
        for n, label in enumerate(["real"] * 30 + ["fake"] * 30)
    ]
    found = evaluate(dataset(records), QUICK, by=SplitBy.CONTENT, resamples=20)
    assert found.leakage.sources_on_both_sides == ("mixed-camera",)
    assert any("mixed-camera" in finding for finding in found.leakage.findings)
    clean = evaluate(dataset(records), QUICK, by=SplitBy.SOURCE, resamples=20)
    assert clean.leakage.sources_on_both_sides == ()
    assert clean.leakage.findings == ()


@pytest.mark.slow
def test_sources_that_tell_the_class_are_named() -> None:
    records = planted({"real": "camera-x", "fake": "forum-y"})
    found = evaluate(dataset(records), QUICK, by=SplitBy.GROUP, resamples=20)
    assert found.leakage.sources_of_one_class == ("camera-x", "forum-y")
    assert any("camera-x, forum-y" in finding for finding in found.leakage.findings)


def test_near_duplicates_across_the_split_are_removed_counted_and_named() -> None:
    pairs = [(1, 2), (3, 4), (61, 62)]
    found = evaluate(dataset(halves(60)), QUICK, near_duplicates=pairs, resamples=20)
    assert found.leakage.near_duplicates_removed == 3
    assert found.leakage.near_duplicates[0] == ("/corpus/2.jpg", "/corpus/1.jpg")
    assert "/corpus/62.jpg of /corpus/61.jpg" in found.leakage.findings[0]
    assert not {2, 4, 62} & set(found.ids.tolist())


@pytest.mark.slow
def test_a_codec_cue_is_named() -> None:
    data = dataset(halves(60), lead=0.0)

    def codec(ids: np.ndarray) -> np.ndarray:
        described = plain_codec(ids)
        described[:, 8] = np.where(ids > 60, 4.5, 9.0)  # fakes were saved at another quality
        return described

    found = evaluate(data, QUICK, codec=codec, resamples=20)
    assert found.leakage.codec_only_auc is not None
    assert found.leakage.codec_only_auc > 0.99
    assert found.leakage.codec_cues[0] == "quantisation of luma"
    assert "quantisation of luma" in found.leakage.findings[0]


@pytest.mark.slow
def test_each_generator_is_measured_and_the_worst_source_named() -> None:
    records = [record(n, "real", source=f"s{n % 3}") for n in range(1, 61)]
    records += [record(n, "fake", generator="gan", source="s0") for n in range(61, 91)]
    records += [record(n, "fake", generator="flow", source="s1") for n in range(91, 121)]
    data = dataset(records)
    data.X[90:, 1] -= 2  # flow looks like real pictures, but for the real ones' own direction
    data.X[90:, 0] += 2
    found = evaluate(data, QUICK, by=SplitBy.CONTENT, resamples=20)
    rows = {row.name: row for row in found.per_generator}
    against = (found.y == 0) | np.isin(found.ids, np.arange(61, 91))
    want = roc_auc_score(found.y[against], found.probabilities[against])
    assert rows["gan"].auc == pytest.approx(want)
    assert rows["gan"].pictures == 30
    assert rows["gan"].auc > rows["flow"].auc
    assert found.worst_source == "s1"


@pytest.mark.slow
def test_a_generator_left_out_is_not_learnt_from() -> None:
    records = [record(n, "real") for n in range(1, 61)]
    records += [record(n, "fake", generator="gan") for n in range(61, 91)]
    records += [record(n, "fake", generator="flow") for n in range(91, 121)]
    data = dataset(records)
    data.X[90:] *= [1, -1, 1, 1, 1, 1, 1, 1]  # flow's trace is the opposite of gan's
    seen = evaluate(data, Recipe(method="knn"), resamples=20)
    unseen = evaluate(data, QUICK, by=SplitBy.GENERATOR, resamples=20)
    assert unseen.split["by"] == "generator"
    assert unseen.split["folds"] == 2
    assert seen.metrics["auc"] > unseen.metrics["auc"] + 0.2


def test_generators_are_told_apart() -> None:
    records = [record(n, "real") for n in range(1, 41)]
    records += [record(n, "fake", generator="gan") for n in range(41, 81)]
    records += [record(n, "fake", generator="flow") for n in range(81, 121)]
    data = dataset(records, lead=4.0, target=Target.GENERATOR)
    found = evaluate(data, QUICK, resamples=20)
    assert found.classes == ("real", "flow", "gan")
    assert found.metrics["accuracy"] > 0.9
    assert [sum(row) for row in found.confusion] == [40, 40, 40]
    assert found.threshold is None
    assert found.to_json("p")["eer"] is None


def test_one_class_only_cannot_be_measured() -> None:
    data = dataset([record(n, "real") for n in range(1, 9)])
    with pytest.raises(UsageError, match="every class to evaluate on, got 8 real, 0 fake"):
        evaluate(data, QUICK)


def test_too_few_labels_are_counted_in_the_error() -> None:
    with pytest.raises(UsageError, match="at least 2 labelled pictures of each class, got none"):
        check_labels([], Target.FAKE, needed=2, may_be_one=False)
    some = [record(1, "real"), record(2, "real"), record(3, "fake")]
    with pytest.raises(
        UsageError, match="at least 2 labelled pictures of fake, got 2 real, 1 fake"
    ):
        check_labels(some, Target.FAKE, needed=2, may_be_one=True)
    with pytest.raises(UsageError, match="pictures of fake, got 2 real, 0 fake"):
        check_labels(some[:2], Target.FAKE, needed=2, may_be_one=False)
    check_labels(some[:2], Target.FAKE, needed=2, may_be_one=True)
    with pytest.raises(UsageError, match="at least 2 generators, or one and real"):
        check_labels(some[:2], Target.GENERATOR, needed=2, may_be_one=True)


def test_labels_that_contradict_each_other_are_counted_in_the_error() -> None:
    records = [record(1, "real", generator="gan"), record(2, "real")]
    records += [record(n, "fake", generator="gan") for n in (3, 4)]
    with pytest.raises(UsageError, match="1 pictures made by gan are labelled real and 2 fake"):
        check_labels(records, Target.FAKE, needed=2, may_be_one=False)


@pytest.mark.slow
def test_what_is_like_nothing_known_is_called_unknown() -> None:
    records = [record(n, "real") for n in range(1, 101)]
    records += [record(n, "fake", generator="gan") for n in range(101, 201)]
    records += [record(n, "fake", generator="flow") for n in range(201, 301)]
    data = dataset(records, lead=9.0, target=Target.GENERATOR)
    recipe = Recipe(method="lda", open_set=True)
    made = fit(recipe, data.X, data.y, data.ids.astype(str))
    stranger = np.zeros((1, 8), dtype=np.float32)
    stranger[0, 5] = 9  # as far from the centre as the classes, in a direction of its own
    assert made.is_unknown(stranger).tolist() == [True]
    assert made.is_unknown(data.X).mean() == pytest.approx(0.05, abs=0.03)
    found = evaluate(data, recipe, resamples=20).open_set
    assert found is not None
    assert found.known_called_unknown == pytest.approx(0.05, abs=0.04)
    assert min(found.auc.values()) > 0.99
    assert min(found.called_unknown.values()) > 0.95
    assert set(found.auc) == {"gan", "flow"}
