"""A build that is killed twenty times ends as one that was never killed."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from indexer.build import BuildOptions, build
from indexer.store.maintenance.examination import examine
from indexer.store.reader import IndexReader
from indexer.store.vectors.segments import Segment
from indexer.store.writer import IndexWriter
from tests.checkout import ROOT
from tests.fake_encoder import MeanColour
from tests.pictures import corpus

FILES = 500
KILLS = 20


def start(index: Path, root: Path) -> subprocess.Popen[bytes]:
    script = ROOT / "tests" / "indexer" / "build_in_a_process.py"
    return subprocess.Popen(
        [sys.executable, "-c", f"import runpy, sys; sys.path.insert(0, {str(ROOT)!r}); "
         f"sys.argv = {['', str(index), str(root), '0.2']!r}; "
         f"runpy.run_path({str(script)!r}, run_name='__main__')"],
        stderr=subprocess.PIPE,
    )  # fmt: skip


def contents(index: Path) -> dict[str, tuple[int, np.ndarray]]:
    """Return what the index holds: path to (id, vector)."""
    with IndexReader(index) as reader:
        found = reader.space().embeddings()
        samples = reader.catalog.samples(found.ids.tolist())
    return {
        sample.path: (sample.id, vector)
        for sample, vector in zip(samples, found.vectors, strict=True)
    }


def top10(index: Path, queries: np.ndarray) -> list[list[str]]:
    with IndexReader(index) as reader:
        _, ids = reader.space().neighbours(queries, 10)
        return [[one.path for one in reader.catalog.samples(row.tolist())] for row in ids]


def committed_rows_in_quarantine(index: Path) -> set[int]:
    """Return the ids of live samples that only a quarantined segment holds."""
    held: set[int] = set()
    with IndexReader(index) as reader:
        live = set(reader.space().ids().tolist())
        space = reader.spaces()[0].fingerprint
        folder = reader.folder.space(space).segments
        for record in reader.catalog.segments():
            held |= set(Segment(folder, record.id).ids().tolist())
    return live - held


@pytest.mark.slow
@pytest.mark.timeout(280)
def test_twenty_kills_lose_nothing(tmp_path: Path) -> None:
    root = tmp_path / "corpus"
    corpus(root, FILES)
    whole, index = tmp_path / "whole", tmp_path / "killed"
    options = BuildOptions(workers=1, batch_size=8, loaded_from="mean-colour")
    with IndexWriter(whole) as writer:
        build(writer, MeanColour(), [root], options)
    rng = random.Random(5)
    grown = []
    for _ in range(KILLS):
        process = start(index, root)
        # From the first instant of the interpreter to the midst of reading and committing.
        time.sleep(rng.uniform(0.0, 3.0))
        process.send_signal(signal.SIGKILL)
        _, stderr = process.communicate()
        assert b"Traceback" not in stderr, stderr.decode()
        if (index / "published" / "catalog.duckdb").exists():
            with IndexReader(index) as reader:
                grown.append(reader.catalog.sample_counts()["image"])
    assert grown == sorted(grown)  # what was published is never lost
    assert len(set(grown)) > 4  # the kills did find builds at work
    with IndexWriter(index) as writer:
        report = build(writer, MeanColour(), [root], options)
    assert report.seen == FILES
    mine, theirs = contents(index), contents(whole)
    assert mine.keys() == theirs.keys()
    assert len({one for one, _ in mine.values()}) == FILES
    for path, (_, vector) in mine.items():
        np.testing.assert_array_equal(vector, theirs[path][1])
    queries = np.stack([theirs[path][1] for path in sorted(theirs)[:40]])
    assert top10(index, queries) == top10(whole, queries)
    assert committed_rows_in_quarantine(index) == set()
    assert examine(index).healthy
    with IndexWriter(index) as writer:
        assert build(writer, MeanColour(), [root], options).embedded == 0


@pytest.mark.slow
def test_an_interrupt_keeps_what_was_read(tmp_path: Path) -> None:
    root, index = tmp_path / "corpus", tmp_path / "index"
    corpus(root, 1200)
    process = start(index, root)
    deadline = time.monotonic() + 60
    while not any(index.glob("spaces/*/segments/*.ids")):  # the first of many commits
        assert time.monotonic() < deadline
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=30)
    assert 0 < count(index) < 1200
    assert examine(index).healthy
    options = BuildOptions(workers=1, batch_size=8, loaded_from="mean-colour")
    with IndexWriter(index) as writer:
        build(writer, MeanColour(), [root], options)
    assert count(index) == 1200


def count(index: Path) -> int:
    with IndexReader(index) as reader:
        return reader.catalog.sample_counts()["image"]
