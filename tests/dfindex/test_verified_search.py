"""With real photographs a search tells copies from look-alikes, and says what was changed."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import jsonschema
import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from dfindex.cli import main
from tests.checkout import DATA
from tests.dfindex import schemas
from tests.fake_encoder import NAME
from tests.marks import mostly_slow

DEMOS = {
    "demo_mirrored_crop.jpg": "copy",
    "demo_local_splice.jpg": "altered_copy",
    "demo_recoloured_letterbox.jpg": "copy",
}


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Index the originals of the demonstration and ten other photographs."""
    folder = tmp_path_factory.mktemp("verified")
    rows = {row["file"]: row for row in manifest()}
    chosen = [DATA / rows[name]["original"] for name in DEMOS]
    chosen += sorted((DATA / "photos").glob("*/*.jpg"))[:200:20]
    arguments = ["build", *map(str, chosen), "--index", str(folder / "index"), "--encoder", NAME]
    assert CliRunner().invoke(main, arguments).exit_code == 0
    return folder / "index"


def manifest() -> list[dict[str, str]]:
    with (DATA / "manipulated" / "manifest.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    for row in rows:
        if not (DATA / row["original"]).exists():
            row["original"] = f"photos/{row['original']}"
    return rows


@pytest.mark.parametrize(("name", "verdict"), mostly_slow(list(DEMOS.items()), quick=1))
def test_the_original_of_a_manipulated_picture_is_first(
    index: Path, name: str, verdict: str
) -> None:
    query = DATA / "manipulated" / name
    arguments = ["search", str(query), "--index", str(index), "--json", "-k", "20"]
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 0, result.output
    answer = json.loads(result.stdout)
    jsonschema.validate(answer, schemas.SEARCH)
    original = next(row["original"] for row in manifest() if row["file"] == name)
    first, *others = answer["hits"]
    assert first["sample"]["path"] == str(DATA / original)
    assert first["verdict"] == verdict
    assert first["match"]["inliers"] >= 8
    assert {hit["verdict"] for hit in others} <= {"similar", "unrelated", "not_assessable"}
    assert answer["timing_ms"]["verify"] > 0


def test_without_verification_no_copy_is_claimed(index: Path) -> None:
    query = DATA / "manipulated" / "demo_local_splice.jpg"
    arguments = ["search", str(query), "--index", str(index), "--json", "--no-verify"]
    answer = json.loads(CliRunner().invoke(main, arguments).stdout)
    assert {hit["verdict"] for hit in answer["hits"]} <= {"similar", "unrelated"}
    assert all(hit["match"] is None for hit in answer["hits"])


@pytest.mark.slow
def test_boxes_and_transform_are_in_pixels_of_the_originals(index: Path, tmp_path: Path) -> None:
    """A query three times as large has its altered box and its scale three times as large."""
    path = DATA / "manipulated" / "demo_local_splice.jpg"
    with Image.open(path) as image:
        large = image.resize((image.width * 4, image.height * 4), Image.Resampling.LANCZOS)
    large.save(tmp_path / "large.jpg", quality=95)
    answers = []
    for query in (path, tmp_path / "large.jpg"):
        arguments = ["search", str(query), "--index", str(index), "--json"]
        answers.append(json.loads(CliRunner().invoke(main, arguments).stdout)["hits"][0])
    small, big = (answer["match"] for answer in answers)
    assert answers[1]["verdict"] == "altered_copy"
    assert small["scale"] / big["scale"] == pytest.approx(4, rel=0.03)
    box, four = (np.array(match["altered_boxes"][0]) for match in (small, big))
    np.testing.assert_allclose(four, 4 * box, atol=0.2 * four.max())


def test_compare_says_it_in_words_and_draws_it(tmp_path: Path) -> None:
    row = next(row for row in manifest() if row["file"] == "demo_local_splice.jpg")
    a, b = DATA / "manipulated" / row["file"], DATA / row["original"]
    out = tmp_path / "overlay.png"
    result = CliRunner().invoke(main, ["compare", str(a), str(b), "--out", str(out)])
    assert result.exit_code == 0
    assert result.stdout.startswith("altered_copy: ")
    with Image.open(out) as drawing:
        assert drawing.width > 600
    exchanged = CliRunner().invoke(main, ["compare", str(b), str(a), "--json"])
    value = json.loads(exchanged.stdout)
    assert value["verdict"] == "altered_copy"
    jsonschema.validate(value["match"], schemas.MATCH)
    assert set(value) >= {"a", "b", "verdict", "score", "probability", "match"}


def test_compare_exits_with_1_for_strangers_and_3_for_what_is_no_picture(tmp_path: Path) -> None:
    first, second = sorted((DATA / "photos").glob("*/*.jpg"))[:250:249]
    assert CliRunner().invoke(main, ["compare", str(first), str(second)]).exit_code == 1
    (tmp_path / "x.txt").write_text("text")
    result = CliRunner().invoke(main, ["compare", str(first), str(tmp_path / "x.txt")])
    assert result.exit_code == 3
    assert CliRunner().invoke(main, ["compare", str(first), str(first)]).stdout.startswith("exact")


def test_a_report_shows_the_overlay_of_a_verified_hit(index: Path, tmp_path: Path) -> None:
    query = DATA / "manipulated" / "demo_local_splice.jpg"
    page = tmp_path / "page.html"
    arguments = ["search", str(query), "--index", str(index), "-k", "2", "--report", str(page)]
    assert CliRunner().invoke(main, arguments).exit_code == 0
    text = page.read_text()
    assert "altered copy" in text
    assert text.count("data:image/jpeg;base64,") == 1 + 2 * 2 + 1
