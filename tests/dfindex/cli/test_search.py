"""Search, compare and duplicates share their exit codes; each file of a folder is answered."""

from __future__ import annotations

import csv
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from click.testing import CliRunner, Result
from PIL import Image

from dfindex.cli import main
from tests.checkout import DATA
from tests.dfindex import schemas
from tests.fake_encoder import NAME
from tests.marks import mostly_slow
from tests.pictures import corpus, picture
from tests.videos import clip, steady


def run(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(one) for one in arguments])


def photographs() -> list[Path]:
    return sorted((DATA / "photos").glob("*/*.jpg"))


def same_bytes(folder: Path) -> tuple[Path, Path]:
    return (
        shutil.copy(photographs()[0], folder / "a.jpg"),
        shutil.copy(photographs()[0], folder / "b.jpg"),
    )


def recompressed(folder: Path) -> tuple[Path, Path]:
    with Image.open(photographs()[1]) as image:
        image.save(folder / "a.png", compress_level=1)
        image.save(folder / "b.jpg", quality=80)
    return folder / "a.png", folder / "b.jpg"


def same_pixels(folder: Path) -> tuple[Path, Path]:
    with Image.open(photographs()[1]) as image:
        image.save(folder / "a.png", compress_level=1)
        image.save(folder / "b.png", compress_level=2)
    return folder / "a.png", folder / "b.png"


def blank(folder: Path) -> tuple[Path, Path]:
    white = Image.new("RGB", (300, 200), "white")
    white.save(folder / "a.png")
    white.save(folder / "b.jpg")
    return folder / "a.png", folder / "b.jpg"


def spliced(folder: Path) -> tuple[Path, Path]:
    name = "demo_local_splice.jpg"
    with (DATA / "manipulated" / "manifest.csv").open(newline="") as file:
        original = next(row["original"] for row in csv.DictReader(file) if row["file"] == name)
    root = DATA if (DATA / original).exists() else DATA / "photos"
    return (
        shutil.copy(root / original, folder / "a.jpg"),
        shutil.copy(DATA / "manipulated" / name, folder / "b.jpg"),
    )


def different(folder: Path) -> tuple[Path, Path]:
    return (
        shutil.copy(photographs()[0], folder / "a.jpg"),
        shutil.copy(photographs()[249], folder / "b.jpg"),
    )


PAIRS: dict[str, tuple[Callable[[Path], tuple[Path, Path]], int]] = {
    "exact": (same_bytes, 0),
    "copy": (recompressed, 0),
    "copy of the same pixels": (same_pixels, 0),
    "altered_copy": (spliced, 0),
    "unrelated": (different, 1),
    "not_assessable": (blank, 1),
}


@pytest.mark.parametrize("pair", mostly_slow(PAIRS, quick=2))
def test_a_pair_has_one_exit_code_in_all_three_commands(pair: str, tmp_path: Path) -> None:
    (make, code), verdict = PAIRS[pair], pair.split()[0]
    a, b = make(tmp_path)
    index = tmp_path / "index"
    assert run("build", a, b, "--index", index, "--encoder", NAME, "--workers", 1).exit_code == 0
    only_a = ["--index", index, "--where", f"path like '%/{a.name}'"]
    searched, compared = run("search", b, "--json", *only_a), run("compare", a, b, "--json")
    grouped = run("duplicates", "--index", index)
    assert json.loads(compared.stdout)["verdict"] == verdict
    assert [done.exit_code for done in (searched, compared, grouped)] == [code] * 3


def test_a_threshold_makes_a_finding_of_whatever_it_lets_through(tmp_path: Path) -> None:
    corpus(tmp_path / "corpus", 6)
    index = ["--index", tmp_path / "index"]
    run("build", tmp_path / "corpus", *index, "--encoder", NAME, "--workers", 1)
    picture(99).save(tmp_path / "query.png")
    query = ["search", tmp_path / "query.png", *index]
    hits = json.loads(run(*query, "--json").stdout)["hits"]
    assert {hit["verdict"] for hit in hits} <= {"similar", "unrelated", "not_assessable"}
    assert run(*query).exit_code == 1
    assert run(*query, "--min-score", hits[0]["score"] - 0.01).exit_code == 0
    assert run(*query, "--min-score", hits[0]["score"] + 0.01).exit_code == 1
    assert run(*query, "--max-fpr", 1).exit_code == 0


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Index five pictures and a film; put copies, others and what is none into a folder."""
    root = tmp_path_factory.mktemp("folder")
    paths = corpus(root / "corpus", 5)
    clip(root / "corpus" / "film.mp4", steady(30))
    result = run("build", root / "corpus", "--index", root / "index", "--encoder", NAME)
    assert result.exit_code == 0, result.output
    (root / "queries" / "below").mkdir(parents=True)
    shutil.copy(paths[2], root / "queries" / "b.png")
    picture(77).save(root / "queries" / "c.png")
    (root / "queries" / "a.txt").write_text("no picture")
    shutil.copy(root / "corpus" / "film.mp4", root / "queries" / "below" / "film.mp4")
    shutil.copytree(root / "index", root / "queries" / "index")
    shutil.copy(paths[4], root / "queries" / os.fsdecode(b"z\xe9.png"))
    return root


@pytest.fixture
def index(folder: Path) -> list[object]:
    return ["--index", folder / "index"]


def test_a_folder_has_an_answer_for_each_file_in_order(folder: Path, index: list[object]) -> None:
    result = run("search", folder / "queries", "--json", "-k", 2, *index)
    assert result.exit_code == 0
    answers: list[dict[str, Any]] = json.loads(result.stdout)
    names = ["a.txt", "b.png", "below/film.mp4", "c.png", os.fsdecode(b"z\xe9.png")]
    paths = [answer["query"]["path"] for answer in answers]
    assert paths == [str(folder / "queries" / name) for name in names]
    error, *found = answers
    assert error == {"query": {"path": paths[0]}, "error": error["error"]}
    assert error["error"]["reason"] == "not_media"
    for answer in (found[0], found[2], found[3]):
        jsonschema.validate(answer, schemas.SEARCH)
    assert [answer["hits"][0]["verdict"] for answer in found][:2] == ["exact", "exact"]
    assert found[2]["hits"][0]["verdict"] not in ("exact", "copy", "altered_copy")
    single = json.loads(
        run("search", folder / "queries" / "b.png", "--json", "-k", 2, *index).stdout
    )
    assert found[0] | {"timing_ms": 0} == single | {"timing_ms": 0}
    counts = "5 files searched for: 3 with a copy, 1 without, 1 that could not be read"
    assert result.stderr == f"dfindex: {counts} (1 not_media)\n"


def test_a_folder_s_answers_are_a_table_too(folder: Path, index: list[object]) -> None:
    result = run("search", folder / "queries", *index)
    assert result.exit_code == 0
    words = result.stdout.split()
    order = [words.index(word) for word in ("file", "not", "exact", "3")]
    assert order == sorted(order)
    assert words.count("exact") == 3
    assert "3 with a copy, 1 without, 1 that could not be read (1 not_media)." in result.stdout


def test_the_exit_code_of_a_folder(folder: Path, index: list[object], tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("no picture")
    for more in ([], ["--json"]):
        result = run("search", tmp_path, *more, *index)
        assert result.exit_code == 3
        assert "expected pictures or videos" in result.stderr
    picture(77).save(tmp_path / "other.png")
    assert run("search", tmp_path, *index).exit_code == 1
    assert run("search", tmp_path, "--min-score", "-1", *index).exit_code == 0
    assert run("search", folder / "corpus", "--where", "colour = 1", *index).stdout == ""
    assert run("search", tmp_path, "--report", tmp_path / "page.html", *index).exit_code == 2


def test_a_folder_is_a_film_only_where_it_is_asked_for(
    folder: Path, index: list[object], tmp_path: Path
) -> None:
    shots = tmp_path / "shots"
    corpus(shots, 3)
    assert len(json.loads(run("search", shots, "--json", *index).stdout)) == 3
    film = json.loads(run("search", shots, "--frames-folder", "--json", *index).stdout)
    assert film["query"]["frames"] == 3
    refused = run("compare", shots, folder / "corpus" / "00000.png")
    assert refused.exit_code == 2
    assert "--frames-folder" in refused.stderr


@pytest.mark.parametrize("query", ["²", "٣", "1" * 5000, "99999999999999999999", "1e3", "-1"])
def test_what_is_no_id_is_looked_for_as_a_file(
    folder: Path, index: list[object], query: str
) -> None:
    for arguments in (["search", query, *index], ["search", *index, "--", query]):
        result = run(*arguments)
        assert result.exit_code in (2, 3)
        assert "Error" not in result.stderr or "No such option" in result.stderr
    assert run("remove", *index, "--", query).exit_code in (1, 3)
    assert len(json.loads(run("label", "list", "--json", *index).stdout)) == 0


@pytest.mark.parametrize("number", ["9" * 5000, "-" + "9" * 30, "1e999"])
def test_a_number_no_column_can_have_is_refused(
    folder: Path, index: list[object], number: str
) -> None:
    query = folder / "queries" / "b.png"
    result = run("search", query, "--where", f"width < {number}", *index)
    assert result.exit_code == 2
    assert "expected a number from -2^63 to 2^63" in result.stderr


def test_json_has_no_numbers_that_are_none() -> None:
    from dfindex.cli.options import json_text

    value = {"a": [float("nan"), (1.5, float("-inf"))], "b": Path("x")}
    assert json.loads(json_text(value)) == {"a": [None, [1.5, None]], "b": "x"}
