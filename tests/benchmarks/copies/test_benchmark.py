"""A tiny run from end to end: the roles of the pictures, the figures, the table, the JSON."""

import json
import shutil

import numpy as np
import pytest
from rich.console import Console

from benchmarks.copies.benchmark import PredictedCopies, run
from benchmarks.copies.encoder_methods import ClassToken, with_and_without_views
from benchmarks.copies.hashes import PdqDihedral
from benchmarks.copies.queries import choose, queries
from benchmarks.copies.sift_baseline import SiftRansac
from benchmarks.copies.tables import render
from indexer.errors import UsageError
from search.views import views
from tests.benchmarks.pictures import opened, photographs
from tests.fake_encoder import MeanColour


@pytest.fixture(scope="module")
def pool(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pool")
    for number, path in enumerate(photographs(14)):
        shutil.copy(path, folder / f"{number}.jpg")
    return folder


@pytest.fixture(scope="module")
def parts(tmp_path_factory):
    folder = tmp_path_factory.mktemp("parts")
    names = ["test/a"] * 6 + ["validation/b"] * 3 + ["train/c"] * 5
    for number, (name, path) in enumerate(zip(names, photographs(14), strict=True)):
        (folder / name).mkdir(parents=True, exist_ok=True)
        shutil.copy(path, folder / name / f"{number}.jpg")
    return folder


@pytest.fixture(scope="module")
def report(pool):
    methods = [PdqDihedral(), SiftRansac(features=150), *with_and_without_views(MeanColour())]
    return run(
        pool,
        methods=methods,
        references=8,
        originals=4,
        distractors=4,
        slow_originals=2,
        attacks=["jpeg_half", "mirror"],
        bootstrap_samples=10,
    )


def test_queries_come_from_test_and_train_only_fills_up(parts):
    chosen = choose(parts, references=9, originals=3, distractors=2, seed=1)
    asked = (*chosen.originals, *chosen.distractors)
    assert {path.parent.name for path in asked} == {"a"}
    assert chosen.references[:3] == chosen.originals
    assert not set(chosen.distractors) & set(chosen.references)
    # 3 originals, 1 more of test/, 3 of validation/, then 2 of train/
    assert [path.parent.name for path in chosen.references[3:]] == ["a", *"bbb", *"cc"]
    assert chosen.from_train == 2
    assert chosen.truth.tolist() == [0, 1, 2, -1, -1]


def test_a_folder_without_parts_is_one_pool(pool):
    chosen = choose(pool, references=1000, originals=4, distractors=3, seed=0)
    assert len(chosen.references) == 11 and chosen.from_train == 0
    assert len({*chosen.references, *chosen.distractors}) == 14
    assert choose(pool, references=1000, originals=4, distractors=3, seed=1) != chosen


@pytest.mark.parametrize(
    ("originals", "distractors", "references"), [(13, 2, 13), (0, 2, 5), (3, 1, 5), (5, 2, 4)]
)
def test_impossible_counts_are_refused(pool, originals, distractors, references):
    with pytest.raises(UsageError, match="expected"):
        choose(pool, references=references, originals=originals, distractors=distractors, seed=0)


def test_queries_are_the_same_for_the_same_seed(pool):
    chosen = choose(pool, references=6, originals=2, distractors=2, seed=0)
    first, again, another = (queries(chosen, "strong", seed=seed) for seed in (3, 3, 4))
    assert [image.tobytes() for image in first] == [image.tobytes() for image in again]
    assert [image.tobytes() for image in first] != [image.tobytes() for image in another]


def test_every_method_is_measured_under_every_attack_and_on_the_same_subset(report):
    places = {(row.attack, row.pictures) for row in report.rows if row.method == "class token"}
    attacks = ("jpeg_half", "mirror", "all")
    assert places == {(a, p) for a in attacks for p in ("all", "subset")}
    slow = {row.pictures for row in report.rows if row.method == "rootSIFT + RANSAC"}
    assert slow == {"subset"}
    assert report.row("class token", "all").queries == 8
    assert report.row("rootSIFT + RANSAC", "all", "subset").queries == 4
    assert report.row("rootSIFT + RANSAC", "all", "subset").distractors == 4


def test_easy_attacks_are_solved_by_those_that_should(report):
    for method in ("PDQ, 8 dihedral", "class token"):
        assert report.row(method, "jpeg_half").figures.micro_ap == 1.0
    assert report.row("PDQ, 8 dihedral", "mirror").figures.micro_ap == 1.0
    assert report.row("class token, 10 views", "mirror").figures.recall_at_1 == 1.0


def test_the_report_is_json_and_a_table(report):
    value = json.loads(json.dumps(report.to_json()))
    assert value["references"] == 8 and value["subset_originals"] == 2
    assert set(value["costs"]) == {row["method"] for row in value["rows"]}
    console = Console(width=200)
    with console.capture() as captured:
        console.print(render(report))
    text = captured.get()
    assert "8 references" in text and "jpeg_half" in text and "1.00/1.00/1.00" in text
    with pytest.raises(KeyError):
        report.row("class token", "crop80")


def test_a_mirrored_query_has_its_originals_vector_among_its_views(pool):
    encoder = MeanColour()
    plain, viewed = with_and_without_views(encoder)
    paths = sorted(pool.glob("*.jpg"))[:4]
    flipped = [views(opened(path))[1] for path in paths]
    for method in (plain, viewed):
        method.index(paths)
    own = np.arange(4)
    assert viewed.scores(flipped)[own, own].min() > 0.999
    assert (viewed.scores(flipped) >= plain.scores(flipped) - 1e-6).all()
    assert len(views(flipped[0])) == 10


@pytest.mark.slow
def test_all_methods_are_compared_where_none_are_named(pool):
    encoder = MeanColour()
    report = run(
        pool,
        encoder=encoder,
        references=5,
        originals=2,
        distractors=2,
        attacks=["text"],
        bootstrap_samples=2,
    )
    methods = list(dict.fromkeys(row.method for row in report.rows))
    assert methods == [
        *("pHash", "PDQ", "PDQ, 8 dihedral", "rootSIFT + RANSAC"),
        *("class token", "class token, 10 views"),
        *("candidates (views, keypoints)", "dfindex, unverified", "dfindex, verified"),
    ]
    assert report.encoder == encoder.spec.to_json()
    assert {row.pictures for row in report.rows} == {"all"}
    # both photographs with a line of text over them are found, and known for what they are
    assert report.called == {"text": PredictedCopies(ranked_first=2, copies=2, wrong=0)}
    console = Console(width=200)
    with console.capture() as captured:
        console.print(render(report))
    assert "of 2 originals ranked first by the verified search 2 are" in captured.get()


def test_class_token_scores_are_cosines(pool):
    method = ClassToken(MeanColour())
    paths = sorted(pool.glob("*.jpg"))[:5]
    method.index(paths)
    scores = method.scores([opened(path) for path in paths])
    np.testing.assert_allclose(scores, scores.T, atol=1e-6)
    np.testing.assert_allclose(np.diag(scores), 1, atol=1e-6)


def test_an_attack_that_nobody_knows_is_named_with_those_there_are(pool):
    with pytest.raises(UsageError, match=r"jpeg_half, crop20.*\['melt'\]"):
        run(pool, methods=[PdqDihedral()], attacks=["mirror", "melt"])
