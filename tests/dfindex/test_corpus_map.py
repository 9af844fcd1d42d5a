"""What the map's script gets: points on a grid, columns as codes, probes' scores in steps."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import dfindex
from dfindex.corpus_map import corpus_map, packed
from indexer.store.catalog.probe_scores import ProbeScores, probe_folder, save_scores
from indexer.store.durable import replace_file
from tests.fake_encoder import NAME
from tests.pictures import corpus

COUNT = 8


@pytest.fixture
def home(tmp_path: Path) -> Path:
    corpus(tmp_path / "corpus", COUNT)
    dfindex.build([tmp_path / "corpus"], index=tmp_path / "index", encoder=NAME, workers=1).close()
    return tmp_path


def unpacked(data: bytes) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Read the header and the columns' codes as the script does."""
    raw = gzip.decompress(data)
    length = int(np.frombuffer(raw, "<u4", 1)[0])
    head = json.loads(raw[4 : 4 + length])
    count = head["count"]
    at = 4 + length + 2 * 2 * count + 8 * count
    codes = {}
    for column in head["columns"]:
        codes[column["name"]] = np.frombuffer(raw, "<u2", count, at)
        at += 2 * count
    return head, codes


def scored(home: Path, name: str, scores: dict[int, float]) -> None:
    """Keep scores as an applied probe does."""
    folder = probe_folder(home / "index", name)
    folder.mkdir(parents=True)
    replace_file(folder / "card.json", lambda file: file.write(b"{}"))
    ids, values = np.array(list(scores), np.int64), np.array(list(scores.values()))
    save_scores(folder, ProbeScores(ids=ids, scores=values, spaces=()))


@pytest.mark.slow
def test_points_are_coloured_by_what_a_probe_says(home: Path) -> None:
    with dfindex.open(home / "index") as index:
        ids = index.space(None).ids().tolist()
        said = dict(zip(ids, [0.0, 0.099, 0.1, 0.55, 0.999, 1.0, 0.3], strict=False))
        scored(home, "gan", said)
        drawn = corpus_map(index)
        head, codes = unpacked(packed(drawn))
    column = next(one for one in head["columns"] if one["name"] == "probe gan")
    assert column["ordered"]
    steps = {
        one: column["values"][code]
        for one, code in zip(drawn.projection.ids, codes["probe gan"], strict=True)
    }
    expected = ["0 to 10 %", "0 to 10 %", "10 to 20 %", "50 to 60 %", "90 to 100 %", "90 to 100 %"]
    assert [steps[one] for one in ids[:6]] == expected
    assert steps[ids[7]] == ""
    plain = drawn.to_json()["probes"]["gan"]
    by_id = dict(zip(drawn.projection.ids.tolist(), plain, strict=True))
    assert by_id[ids[3]] == 0.55
    assert by_id[ids[7]] is None


@pytest.mark.slow
def test_without_probes_there_is_no_such_column(home: Path) -> None:
    with dfindex.open(home / "index") as index:
        head, _ = unpacked(packed(corpus_map(index)))
    assert not [one for one in head["columns"] if one.get("ordered")]
