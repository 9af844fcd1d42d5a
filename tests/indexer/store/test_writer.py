"""What is written of a sample is read again, from the catalog and from the segments alone."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from indexer.corpus import FoundFile
from indexer.store.maintenance.repair import repair
from indexer.store.reader import IndexReader
from indexer.store.vectors.patch_codec import PatchCodec
from indexer.store.writer import IndexWriter, NewSample
from tests.fake_encoder import MeanColour

SHA = "ab" * 32


def page(number: int | None, structure: float | None) -> NewSample:
    vector = np.zeros(12, np.float32)
    vector[number or 0] = 1
    return NewSample(
        file=FoundFile(raw=b"/corpus/fax.tif", path="/corpus/fax.tif", size=9, mtime_ns=1),
        sha256=SHA,
        width=40,
        height=30,
        format="TIFF",
        vector=vector,
        patch_row=codec().encode(np.zeros((1, 4, 12), np.float32))[0],
        page=number,
        structure=structure,
    )


def codec() -> PatchCodec:
    return PatchCodec.fit(np.random.default_rng(0).normal(size=(16, 12)).astype(np.float32))


@pytest.fixture
def index(tmp_path: Path) -> Path:
    encoder = MeanColour()
    with IndexWriter(tmp_path / "index") as writer:
        writer.add_space(encoder.spec, codec(), loaded_from="mean-colour")
        pages = [page(1, 0.25), page(2, 31.5), page(3, None)]
        writer.commit(encoder.spec, made_on=encoder, samples=pages)
    return tmp_path / "index"


def frames(index: Path) -> list[tuple[int | None, float | None]]:
    with IndexReader(index) as reader:
        samples = reader.catalog.samples([1, 2, 3])
        rows = reader.catalog.frames([SHA])
        assert [one.page for one in samples] == [row.page for row in rows]
        return [(row.page, row.structure) for row in rows]


def test_pages_are_samples_of_their_own_and_keep_their_structure(index: Path) -> None:
    assert frames(index) == [(1, 0.25), (2, 31.5), (3, None)]


def test_a_page_that_is_written_again_keeps_its_id(index: Path) -> None:
    with IndexWriter(index) as writer:
        rows = writer._rows([page(2, 31.5), page(4, 8.0)])
    assert [row.id for row in rows] == [2, 4]


def test_a_catalog_made_anew_from_the_segments_has_them(index: Path) -> None:
    (index / "catalog.duckdb").unlink()
    (index / "published" / "catalog.duckdb").unlink()
    repair(index)
    assert frames(index) == [(1, 0.25), (2, 31.5), (3, None)]


def test_transactions_of_two_threads_follow_each_other(tmp_path: Path) -> None:
    """A new space may be found while a commit is written, on another thread."""
    with IndexWriter(tmp_path / "index") as writer:
        catalog = writer.catalog
        inside = threading.Event()

        def commit() -> None:
            with catalog.transaction():
                catalog.query("INSERT INTO removals VALUES ('first', NULL, now()::TIMESTAMP)")
                inside.set()
                time.sleep(0.2)
                raise KeyboardInterrupt

        def caught() -> None:
            with pytest.raises(KeyboardInterrupt):
                commit()

        before = catalog.generation
        thread = threading.Thread(target=caught)
        thread.start()
        assert inside.wait(5)
        with catalog.transaction():
            catalog.query("INSERT INTO removals VALUES ('second', NULL, now()::TIMESTAMP)")
        thread.join()
        assert catalog.query("SELECT path FROM removals") == [("second",)]
        assert catalog.generation == before + 1


HOLDER = """
import sys, duckdb
held = duckdb.connect(":memory:")
held.execute(f"ATTACH '{sys.argv[1]}' AS catalog (READ_ONLY)")
print("held", flush=True)
sys.stdin.readline()
"""


def test_a_writer_waits_for_who_only_looks_at_the_catalog(tmp_path: Path) -> None:
    IndexWriter(tmp_path).close()
    command = [sys.executable, "-c", HOLDER, str(tmp_path / "catalog.duckdb")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdin is not None and holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        later = threading.Timer(0.5, holder.stdin.close)
        later.start()
        with IndexWriter(tmp_path) as writer:  # refused at once before, in DuckDB's words
            later.join()
            assert writer.catalog.generation >= 0
