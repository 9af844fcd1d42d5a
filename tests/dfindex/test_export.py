"""What is exported holds what the index holds, in the columns that other tools read."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import duckdb
import numpy as np
import pytest
from click.testing import CliRunner

import dfindex
from dfindex.cli import main
from dfindex.maintenance import set_label
from tests.fake_encoder import NAME
from tests.pictures import corpus


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("export")
    corpus(folder / "corpus", 20)
    dfindex.build([folder / "corpus"], index=folder / "index", encoder=NAME, workers=1).close()
    set_label(folder / "index", str(folder / "corpus" / "00003.png"), "fake", generator="sd1.5")
    return folder


def run(home: Path, *arguments: object) -> str:
    result = CliRunner().invoke(main, [*map(str, arguments), "--index", str(home / "index")])
    assert result.exit_code == 0, result.output
    return result.stdout


@pytest.mark.slow
def test_a_parquet_file_holds_vectors_coordinates_and_neighbours(home: Path) -> None:
    path = home / "it's.parquet"
    said = json.loads(run(home, "export", "parquet", path, "--json"))
    assert (said["samples"], said["dim"]) == (20, 12)
    with dfindex.open(home / "index") as index:
        vectors, samples = index.embeddings()
    table = duckdb.connect().execute(
        "SELECT id, filepath, label, generator, vector, x, y, neighbors, time_s "
        "FROM read_parquet(?) ORDER BY id",
        [str(path)],
    )
    rows = table.fetchall()
    assert [row[0] for row in rows] == [one.id for one in samples]
    assert [row[1] for row in rows] == [one.path for one in samples]
    labels = {Path(row[1]).name: row[2:4] for row in rows if row[2]}
    assert labels == {"00003.png": ("fake", "sd1.5")}
    np.testing.assert_allclose(np.array([row[4] for row in rows]), vectors, atol=1e-6)
    assert len({(row[5], row[6]) for row in rows}) == 20
    similarity = vectors @ vectors.T - 9 * np.eye(20)
    for place, row in enumerate(rows):
        near = np.argsort(-similarity[place], kind="stable")[:15]
        assert row[7]["ids"][0] == near[0]
        expected = 1 - similarity[place][near]
        np.testing.assert_allclose(row[7]["distances"], expected, atol=1e-5)
        assert row[8] is None


def test_vectors_are_in_step_with_their_table(home: Path) -> None:
    path = home / "vectors.npy"
    assert "20 vectors of 12 numbers" in run(home, "export", "vectors", path)
    with dfindex.open(home / "index") as index:
        vectors, samples = index.embeddings()
    np.testing.assert_array_equal(np.load(path), vectors)
    with (home / "vectors.npy.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [int(row["id"]) for row in rows] == [one.id for one in samples]
    assert [row["label"] for row in rows].count("fake") == 1


@pytest.mark.slow
def test_a_map_is_one_page_that_needs_nothing_else(home: Path) -> None:
    path = home / "map.html"
    assert "20 samples" in run(home, "map", "--out", path, "--thumbnails")
    text = path.read_text()
    assert "default-src 'none'" in text
    assert "http" not in text.replace("http-equiv", "")
    assert " src=" not in text
    plain = json.loads(run(home, "map", "--json"))
    assert len(plain["x"]) == len(plain["ids"]) == 20
    assert plain["label"].count("fake") == 1
