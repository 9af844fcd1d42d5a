"""Probes from the command line, on pictures whose features can be worked out by hand."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import Result
from PIL import Image

from indexer.store.catalog.probe_scores import load_scores
from tests.fake_encoder import NAME

Run = Callable[..., Result]
COUNT = 14  # pictures of a class


def reddish(seed: int, *, fake: bool) -> Image.Image:
    """Return a mosaic of random greys, 96 x 96; a fake's first quarter is tinted red."""
    rng = np.random.default_rng(seed)
    greys = rng.integers(20, 236, (12, 12)).repeat(8, 0).repeat(8, 1)
    pixels = np.repeat(greys[:, :, None], 3, axis=2) + rng.integers(-8, 9, (96, 96, 3))
    if fake:
        pixels[:48, :48] += np.array([60, -60, -60])
    return Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))


@pytest.fixture
def labelled(run: Run, tmp_path: Path) -> Path:
    """Index pictures in ./.dfindex: labelled ones, and two without a label."""
    root = tmp_path / "corpus"
    root.mkdir()
    lines = ["path,label,generator"]
    for number in range(2 * COUNT + 2):
        fake = number % 2 == 1
        reddish(number, fake=fake).save(root / f"{number:02}.png")
        if number < 2 * COUNT:
            lines.append(f"{number:02}.png,{'fake,paint' if fake else 'real,'}")
    (root / "labels.csv").write_text("\n".join(lines) + "\n")
    result = run("build", root, "--encoder", NAME, "--workers", 1, "--labels", root / "labels.csv")
    assert result.exit_code == 0, result.output
    return root


def parsed(result: Result) -> Any:
    assert result.exit_code == 0, result.output
    assert result.stderr == ""
    return json.loads(result.stdout)


@pytest.mark.slow
def test_the_whole_path(run: Run, labelled: Path, tmp_path: Path) -> None:
    trained = parsed(run("probe", "train", "paint", "--method", "lda", "--json"))
    assert trained["label_counts"] == {"real": COUNT, "fake": COUNT}
    assert trained["evaluation"]["auc"] == 1.0
    report = tmp_path / "report.html"
    found = parsed(run("probe", "evaluate", "paint", "--report", report, "--json"))
    assert found["probe"] == "paint"
    assert (found["n_train"], found["n_test"]) == (2 * COUNT, 2 * COUNT)
    assert found["confusion"]["classes"] == ["real", "fake"]
    assert set(found["tpr_at_fpr"]) == {"0.01", "0.05"}
    assert set(found["leakage"]) >= {"near_duplicates_removed", "codec_only_auc"}
    assert found["per_generator"]["paint"]["pictures"] == COUNT
    page = report.read_text()
    assert page.count("data:image/png;base64,") == 3
    assert "Probe paint" in page

    applied = parsed(run("probe", "apply", "paint", "--json"))
    assert applied["scored"] == 2 * COUNT + 2
    assert applied["above_threshold"] == COUNT + 1
    kept = load_scores(tmp_path / ".dfindex" / "probes" / "paint")
    assert kept is not None
    paths = [labelled / "00.png", labelled / "29.png"]
    verdicts = parsed(run("probe", "apply", "paint", *paths, "--json"))
    assert [one["label"] for one in verdicts] == ["real", "fake"]
    # a file is scored as if it were in the index
    scores = dict(zip(kept.ids.tolist(), kept.scores.tolist(), strict=True))
    by_path = ids_by_path(run, labelled)
    for path, verdict in zip(paths, verdicts, strict=True):
        assert verdict["probability"] == pytest.approx(scores[by_path[str(path)]], abs=1e-6)

    suggested = parsed(run("probe", "suggest", "paint", "--json"))
    assert {Path(one["path"]).name for one in suggested} == {"28.png", "29.png"}
    cards = parsed(run("probe", "list", "--json"))
    assert [(one["name"], one["method"]) for one in cards] == [("paint", "lda")]
    assert len(parsed(run("probe", "show", "paint", "--json"))["training"]) == 2 * COUNT
    for command in (("list",), ("show", "paint"), ("suggest", "paint"), ("evaluate", "paint")):
        assert run("probe", *command).exit_code == 0


def ids_by_path(run: Run, root: Path) -> dict[str, int]:
    found = json.loads(run("search", root / "00.png", "-k", 100, "--no-verify", "--json").stdout)
    return {hit["sample"]["path"]: hit["sample"]["id"] for hit in found["hits"]}


@pytest.mark.slow
def test_scores_filter_a_search(run: Run, labelled: Path) -> None:
    query = labelled / "00.png"
    assert run("probe", "train", "paint", "--method", "lda").exit_code == 0
    early = run("search", query, "--where", "probe.paint > 0.5")
    assert early.exit_code == 2
    assert "run dfindex probe apply paint" in early.stderr
    assert run("probe", "apply", "paint").exit_code == 0
    where = "probe.paint > 0.5 and path not like '%/01.png'"
    result = run("search", query, "-k", 99, "--no-verify", "--where", where, "--json")
    found = json.loads(result.stdout)  # no hit is a finding, so that the exit code is 1
    numbers = {int(Path(hit["sample"]["path"]).stem) for hit in found["hits"]}
    assert numbers == set(range(3, 2 * COUNT + 2, 2))
    unknown = run("search", query, "--where", "probe.nobody > 0.5")
    assert unknown.exit_code == 2
    assert "no probe 'nobody'" in unknown.stderr
    reddish(99, fake=True).save(labelled / "99.png")
    assert run("build", labelled, "--encoder", NAME, "--workers", 1).exit_code == 0
    stale = run("search", query, "--where", "probe.paint > 0.5")
    assert stale.exit_code == 2
    assert "1 came later" in stale.stderr


@pytest.mark.slow
def test_a_patch_probe_shows_where(run: Run, labelled: Path, tmp_path: Path) -> None:
    from dfindex.explanation.saving import explain_to
    from tests.fake_encoder import MeanColour

    trained = run("probe", "train", "where", "--method", "lda", "--features", "patches")
    assert trained.exit_code == 0, trained.output
    out = tmp_path / "map.png"
    result = explain_to(
        out,
        labelled / "29.png",
        MeanColour(),
        method="probe:where",
        block=-1,
        index=tmp_path / ".dfindex",
    )
    values = np.load(out.with_suffix(".npy"))
    assert values.shape == (2, 2)
    assert values.argmax() == 0  # the first quarter is the red one
    assert values[0, 0] > 0 > values[0, 1]
    assert result["probability_fake"] > 0.5
    assert out.stat().st_size > 0


@pytest.mark.slow
def test_a_probe_refuses_features_of_another_space(run: Run, labelled: Path) -> None:
    from indexer.encoders import registry
    from tests.fake_encoder import MeanColour

    assert run("probe", "train", "paint", "--method", "lda").exit_code == 0
    registry.register("wider", lambda **_: MeanColour(dim=16))
    other = run("probe", "apply", "paint", labelled / "00.png", "--encoder", "wider")
    assert other.exit_code == 3
    assert "fingerprint" in other.stderr


@pytest.mark.slow
def test_generators_and_pooled_patches(run: Run, labelled: Path) -> None:
    arguments = ("--target", "generator", "--features", "cls+patch-mean", "--method", "lda")
    trained = parsed(run("probe", "train", "who", *arguments, "--json"))
    assert trained["classes"] == ["real", "paint"]
    verdict = parsed(run("probe", "apply", "who", labelled / "01.png", "--json"))[0]
    assert verdict["label"] == "paint"
    assert verdict["probability"] > 0.5


@pytest.mark.slow
def test_features_of_several_spaces_are_joined(run: Run, labelled: Path) -> None:
    from indexer.encoders import registry
    from tests.fake_encoder import MeanColour

    registry.register("wider", lambda **_: MeanColour(dim=16))
    assert run("build", labelled, "--encoder", "wider", "--workers", 1).exit_code == 0
    spaces = [one["fingerprint"] for one in parsed(run("status", "--json"))["spaces"]]
    arguments = [part for one in spaces for part in ("--space", one)]
    trained = run("probe", "train", "both", "--method", "lda", *arguments)
    assert trained.exit_code == 0, trained.output
    card = parsed(run("probe", "show", "both", "--json"))
    assert card["features"]["spaces"] == spaces
    assert card["head"]["values"]["n_features_in_"] == 12 + 16
    assert parsed(run("probe", "apply", "both", "--json"))["scored"] == 2 * COUNT + 2
    verdict = parsed(run("probe", "apply", "both", labelled / "01.png", "--json"))[0]
    assert verdict["label"] == "fake"


@pytest.mark.slow
def test_names_differ_by_their_capitals(run: Run, labelled: Path) -> None:
    for name, method in (("Tint-2", "lda"), ("tint-2", "knn")):
        assert run("probe", "train", name, "--method", method).exit_code == 0
        assert run("probe", "apply", name).exit_code == 0
    where = 'probe."Tint-2" > 0.5 and probe."tint-2" <= 0.5'
    found = run("search", labelled / "00.png", "--no-verify", "--where", where)
    assert found.exit_code == 1, found.output  # both call the same pictures fake


@pytest.mark.slow
def test_episodes_print_every_head(run: Run, labelled: Path, tmp_path: Path) -> None:
    report = tmp_path / "shots.html"
    arguments = ("--shots", "1,3", "--queries", 5, "--episodes", 4)
    found = parsed(run("probe", "episodes", *arguments, "--report", report, "--json"))
    assert found["held_out_generator"] == "paint"
    assert found["query_per_class"] == 5
    assert set(found["methods"]["prototypes"]) == {"1", "3"}
    assert found["methods"]["prototypes"]["3"]["episodes"] == 4
    assert len(found["methods"]) == 9
    assert "data:image/png;base64," in report.read_text()
    assert run("probe", "episodes", *arguments).exit_code == 0


def test_errors_say_how_many_of_what_are_needed(run: Run, labelled: Path) -> None:
    few = run("probe", "episodes", "--shots", "10", "--queries", "15")
    assert few.exit_code == 2
    assert "need 25 pictures of paint and as many real ones, got 14 and 14" in few.stderr
    only_real = run("probe", "train", "p", "--method", "lda", "--where", "label = 'real'")
    assert only_real.exit_code == 2
    assert "at least 2 labelled pictures of fake, got 14 real, 0 fake" in only_real.stderr
    none = run("probe", "train", "p", "--where", "label is null")
    assert none.exit_code == 2
    assert "got none; label some" in none.stderr
    name = run("probe", "train", "no good")
    assert name.exit_code == 2
    assert "letters, digits, _ and -" in name.stderr
    missing = run("probe", "apply", "nobody")
    assert missing.exit_code == 2
    assert "there are: none" in missing.stderr
    assert run("label", "set", labelled / "00.png", "real", "--generator", "paint").exit_code == 0
    wrong = run("probe", "train", "p")
    assert wrong.exit_code == 2
    assert "1 pictures made by paint are labelled real and 14 fake" in wrong.stderr


def test_only_real_pictures_make_a_probe_of_the_strange(run: Run, labelled: Path) -> None:
    trained = parsed(run("probe", "train", "odd", "--where", "label = 'real'", "--json"))
    assert trained["method"] == "real-only"
    assert trained["evaluation"] is None
    assert "not measured" in trained["notes"][0]
    assert trained["threshold"] == 0.95
    verdict = parsed(run("probe", "apply", "odd", labelled / "29.png", "--json"))[0]
    assert verdict["probability"] > 0.9


@pytest.mark.slow
def test_near_duplicates_are_found_by_their_pixels(run: Run, tmp_path: Path) -> None:
    from dfindex.probing.probes import Prober
    from tests.benchmarks.pictures import opened, photographs

    root = tmp_path / "photos"
    root.mkdir()
    for number, path in enumerate(photographs(6)):
        opened(path).save(root / f"{number}.png")
    opened(photographs(6)[2]).save(root / "copy.jpg", quality=60)
    assert run("build", root, "--encoder", NAME, "--workers", 1).exit_code == 0
    from search.duplicates.near_pairs import near_pairs, remembered_pairs

    with Prober(tmp_path / ".dfindex") as prober:
        space = prober.spaces()[0]
        reader = prober._reader
        pairs = near_pairs(reader.catalog, space, space.ids())
        names = [{Path(one.path).name for one in reader.catalog.samples(pair)} for pair in pairs]
        again = remembered_pairs(reader.catalog, space, space.ids())
        kept = tmp_path / ".dfindex" / "probes" / "near-pairs.json"
        kept.write_text(kept.read_text().replace("pairs", "pears"))
        mended = remembered_pairs(reader.catalog, space, space.ids())
    assert names == [{"2.png", "copy.jpg"}]
    assert again == mended == pairs
