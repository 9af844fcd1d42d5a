"""The doctor looks at all that an index holds, and repairs what it can."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import Result

import dfindex
from indexer.store.catalog.probe_scores import ProbeScores, save_scores
from indexer.store.folder import IndexFolder
from indexer.store.reader import IndexReader
from probes.recipe import Recipe
from probes.storage import load_probe, save_probe
from search.duplicates.near_pairs import remembered_pairs
from search.projection import project
from tests.fake_encoder import NAME
from tests.marks import mostly_slow
from tests.pictures import corpus
from tests.probes.test_storage import trained

Run = Callable[..., Result]
FILES = 12


@pytest.fixture
def index(run: Run, tmp_path: Path) -> Path:
    """Return an index with a map, near pairs, and a probe with scores."""
    corpus(tmp_path / "corpus", FILES)
    assert run("build", "corpus", "--encoder", NAME, "--workers", 1).exit_code == 0
    path = tmp_path / ".dfindex"
    with IndexReader(path) as reader:
        space = reader.space()
        project(space, reader.folder.space(space.row.fingerprint).map)
        remembered_pairs(reader.catalog, space, space.ids())
        ids = space.ids()
    folder = path / "probes" / "gan"
    save_probe(folder, trained(Recipe(method="ridge"))[0])
    save_scores(folder, ProbeScores(ids=ids, scores=np.linspace(0, 1, len(ids)), spaces=()))
    return path


def examined(run: Run, *arguments: str) -> dict[str, Any]:
    result = run("doctor", *arguments, "--json")
    assert result.exception is None or isinstance(result.exception, SystemExit), result.output
    return dict(json.loads(result.stdout))


def flip(path: Path, seed: int) -> None:
    rng = random.Random(seed)
    data = bytearray(path.read_bytes())
    data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
    path.write_bytes(data)


@pytest.mark.parametrize(
    ("pattern", "lost"),
    mostly_slow(
        [
            ("spaces/*/map.npz", ""),
            ("probes/near-pairs.json", ""),
            ("probes/gan/card.json", "the probe gan"),
            ("probes/gan/head.safetensors", "the probe gan"),
            ("probes/gan/scores.npz", "the scores of gan"),
            ("probes/gan/scores.json", "the scores of gan"),
        ],
        quick=1,
    ),
)
def test_damage_beside_the_store_is_seen_and_put_right(
    run: Run, index: Path, pattern: str, lost: str
) -> None:
    assert examined(run)["findings"] == []
    path = next(index.glob(pattern))
    data = path.read_bytes()
    flip(path, 2)
    (finding,) = examined(run)["findings"] or [None]
    if finding is None:
        # A byte of the archive that says nothing of what is in it, as the time of a file.
        assert pattern.endswith("map.npz")
    else:
        assert finding["loses"].startswith(lost)
        assert bool(finding["loses"]) == bool(lost)
    path.write_bytes(data[: len(data) // 2])
    repaired = examined(run, "--repair")
    assert repaired["actions"]
    assert repaired["quarantined"] == (0 if not lost else 2)
    assert not path.exists()
    assert examined(run)["findings"] == []


def test_a_probe_that_is_trained_again_is_the_old_one_or_the_new(
    index: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Wherever the second training is cut off."""
    folder = IndexFolder(index).probes / "gan"
    old, new = (trained(Recipe(method=name))[0] for name in ("ridge", "lda"))
    for cut in ("replace_file", "write_sealed_json", "sync_folder"):
        save_probe(folder, old)
        with monkeypatch.context() as patched:
            patched.setattr(f"probes.storage.{cut}", interrupted)
            with pytest.raises(KeyboardInterrupt):
                save_probe(folder, new)
        found = load_probe(folder).detector.choice.method
        assert found == ("lda" if cut == "sync_folder" else "ridge")


def interrupted(*_: object) -> None:
    raise KeyboardInterrupt


def test_quarantine_is_listed_taken_back_and_emptied(run: Run, index: Path) -> None:
    segment = next(index.glob("spaces/*/segments/*.patch"))
    whole = segment.read_bytes()
    flip(segment, 1)
    (kept,) = examined(run, "--repair")["quarantine"]
    assert {Path(one).suffix for one in kept["files"]} == {".cls", ".ids", ".patch", ".points"}
    assert "1: spaces/" in run("doctor").output.replace("\n", " ")
    refused = run("doctor", "--take-back", 1)
    assert refused.exit_code == 2
    assert "does not match its checksum" in refused.stderr
    (kept,) = examined(run)["quarantine"]
    number = kept["number"]
    # Somebody mends the file, from a copy.
    broken = next(path for path in (index / "quarantine").rglob("*.patch"))
    broken.write_bytes(whole)
    result = run("doctor", "--take-back", number)
    assert f"Adopted the segment 1 with {FILES} embeddings" in result.output.replace("\n", " ")
    with dfindex.open(index) as opened:
        assert len(opened.embeddings()[0]) == FILES
    assert json.loads(run("build", "corpus", "--encoder", NAME, "--json").stdout)["embedded"] == 0
    assert examined(run)["quarantine"] == []
    assert "expected a number in quarantine" in run("doctor", "--take-back", 7).stderr
    flip(segment, 1)
    examined(run, "--repair")
    assert "Deleted 4 files" in run("doctor", "--empty-quarantine").output
    assert examined(run)["quarantined"] == 0
    assert not (index / "quarantine").exists()
    assert run("doctor", "--empty-quarantine", "--repair").exit_code == 2


def test_what_was_removed_does_not_come_back_with_its_segment(
    run: Run, index: Path, tmp_path: Path
) -> None:
    segment = next(index.glob("spaces/*/segments/*.patch"))
    whole = segment.read_bytes()
    gone = tmp_path / "corpus" / "00003.png"
    assert run("remove", gone).exit_code == 0
    flip(segment, 1)
    examined(run, "--repair")
    next(path for path in (index / "quarantine").rglob("*.patch")).write_bytes(whole)
    result = run("doctor", "--take-back", 1)
    assert f"with {FILES - 1} embeddings" in result.output.replace("\n", " ")
    with dfindex.open(index) as opened:
        assert str(gone) not in {sample.path for sample in opened.embeddings()[1]}
