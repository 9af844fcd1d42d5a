"""An index that the version before wrote (format 4) is read as it is, and upgraded by a writer.

``harbour_format4.tar.xz`` was made by that version with the tests' encoder: /srv/harbour with
red.png, deep/green.png, deep/blue.png, two copies of red.png of which one has a name that is not
UTF-8, a text file, and the index beside them in .dfindex; one label, one decision.
"""

from __future__ import annotations

import hashlib
import os
import tarfile
from pathlib import Path

import pytest

from indexer.store.catalog.database import attach
from indexer.store.catalog.decisions import Decisions
from indexer.store.catalog.migrations import FORMAT_VERSION
from indexer.store.maintenance.examination import examine
from indexer.store.reader import IndexReader
from indexer.store.writer import IndexWriter

ARCHIVE = Path(__file__).with_name("harbour_format4.tar.xz")


def unpacked(folder: Path, *, was: Path | None = None) -> Path:
    """Unpack the case; ``was`` is where it seems to have been made, in place of /srv/harbour."""
    with tarfile.open(ARCHIVE) as archive:
        archive.extractall(folder, filter="data")
    index = folder / "harbour" / ".dfindex"
    for file in (index / "catalog.duckdb", index / "published" / "catalog.duckdb"):
        if was is not None:
            connection = attach(file, read_only=False)
            for table in ("paths", "failures"):
                connection.execute(
                    f"UPDATE {table} SET raw = $was || raw[length('/srv/harbour') + 1:], "
                    "path = $name || path[length('/srv/harbour') + 1:]",
                    {"was": os.fsencode(was), "name": str(was)},
                )
            connection.close()
    return folder / "harbour"


@pytest.fixture
def case(tmp_path: Path) -> Path:
    return unpacked(tmp_path)


def bytes_of(folder: Path) -> dict[str, str]:
    return {
        str(path): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def known(reader: IndexReader | IndexWriter) -> dict[str, object]:
    """Read what a person put into the index, and what was found in the files."""
    catalog = reader.catalog
    samples = catalog.samples([1, 2, 3])
    return {
        "samples": [(one.sha256, one.page, one.label, one.generator) for one in samples],
        "structure": [row.structure for row in catalog.frames([one.sha256 for one in samples])],
        "failures": [(Path(one.path).name, one.reason) for one in catalog.failures()],
        "decisions": [one.decision.value for one in Decisions(catalog).all],
        "names": sorted(
            bytes(raw).rsplit(b"/", 1)[1] for (raw,) in catalog.query("SELECT raw FROM paths")
        ),
    }


def expected(case: Path) -> dict[str, object]:
    files = [case / "red.png", case / "deep" / "blue.png", case / "deep" / "green.png"]
    contents = [hashlib.sha256(file.read_bytes()).hexdigest() for file in files]
    labelled = min(contents)
    return {
        "samples": {
            (one, None, *(("fake", "sd1.5") if one == labelled else (None, None)))
            for one in contents
        },
        "structure": [None, None, None],
        "failures": [("notes.txt", "not_media")],
        "decisions": ["different"],
        "names": sorted(
            os.fsencode(path.name)
            for path in case.rglob("*.*")
            if path.is_file() and ".dfindex" not in path.parts
        ),
    }


def as_sets(value: dict[str, object]) -> dict[str, object]:
    return value | {"samples": set(value["samples"])}  # type: ignore[call-overload]


def test_a_read_only_copy_is_read_and_not_touched(case: Path) -> None:
    index = case / ".dfindex"
    before = bytes_of(index)
    with IndexReader(index) as reader:
        assert as_sets(known(reader)) == expected(case)
    assert examine(index).healthy
    assert bytes_of(index) == before


def test_a_writer_upgrades_it(case: Path) -> None:
    with IndexWriter(case / ".dfindex") as writer:
        assert as_sets(known(writer)) == expected(case)
    with IndexReader(case / ".dfindex") as reader:
        version = reader.catalog.query("SELECT value FROM meta WHERE key = 'format_version'")
        assert version == [(str(FORMAT_VERSION),)]
        assert as_sets(known(reader)) == expected(case)
