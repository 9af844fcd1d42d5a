"""A case that is renamed, copied or mounted elsewhere is the same case; others stay where they are.

What is right is told by the file system alone: where the files lie after each step.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from indexer.build import BuildOptions, BuildReport, build
from indexer.errors import StoreError
from indexer.store.catalog.roots import Root, place_of
from indexer.store.maintenance.repair import repair
from indexer.store.reader import IndexReader
from indexer.store.writer import IndexWriter
from tests.fake_encoder import MeanColour
from tests.indexer.store.catalog.test_migrations import unpacked
from tests.pictures import corpus

OPTIONS = BuildOptions(workers=1, batch_size=8, loaded_from="mean-colour")


def run(index: Path, *roots: Path, encoder: MeanColour | None = None) -> BuildReport:
    with IndexWriter(index) as writer:
        return build(writer, encoder or MeanColour(), list(roots), OPTIONS)


def told(index: Path) -> set[bytes]:
    """Return all paths as the index tells them, indexed or failed."""
    with IndexReader(index) as reader:
        rows = reader.catalog.query(
            "SELECT raw FROM paths WHERE state = 'indexed' UNION SELECT raw FROM failures"
        )
        return {bytes(raw) for (raw,) in rows}


def there(*folders: Path) -> set[bytes]:
    """Return all files below some folders, without those of an index."""
    return {
        os.fsencode(path)
        for folder in folders
        for path in folder.rglob("*")
        if path.is_file() and ".dfindex" not in path.parts and "index" not in path.parts
    }


def nothing_is_new(index: Path, *roots: Path) -> None:
    encoder = MeanColour()
    report = run(index, *roots, encoder=encoder)
    assert encoder.pictures == 0
    assert (report.seen, report.unchanged) == (len(there(*roots)), len(there(*roots)))
    assert list(report.missing) == []
    assert told(index) == there(*roots)


@pytest.fixture
def case(tmp_path: Path) -> Path:
    """Make a case of six pictures in folders, one of a name that is not UTF-8, and a text file."""
    folder = tmp_path / "case 7"
    corpus(folder / "photos", 4)
    corpus(folder / "more" / "deep", 1)
    shutil.copy(folder / "photos" / "00001.png", os.fsencode(folder / "more") + b"/r\xe9d.png")
    (folder / "notes.txt").write_text("no picture")
    return folder


@pytest.mark.parametrize("inside", [".dfindex", "work/index"])
@pytest.mark.parametrize("parts", [("",), ("photos", "more", "notes.txt")])
def test_renamed(case: Path, inside: str, parts: tuple[str, ...]) -> None:
    run(case / inside, *(case / part for part in parts))
    assert told(case / inside) == there(case)
    renamed = case.rename(case.with_name("evidence"))
    assert told(renamed / inside) == there(renamed)
    nothing_is_new(renamed / inside, renamed)


def test_copied_to_another_disk_and_the_original_deleted(case: Path, tmp_path: Path) -> None:
    run(case / ".dfindex", case)
    copy = shutil.copytree(case, tmp_path / "disk" / "mounted" / "here")
    shutil.rmtree(case)
    assert told(copy / ".dfindex") == there(copy)
    nothing_is_new(copy / ".dfindex", copy)


def test_a_copy_beside_its_original_uses_its_own_files(case: Path, tmp_path: Path) -> None:
    run(case / ".dfindex", case)
    copy = shutil.copytree(case, tmp_path / "copy")
    (copy / "photos" / "00000.png").unlink()
    gone = {os.fsencode(copy / "photos" / "00000.png")}
    assert told(copy / ".dfindex") == there(copy) | gone
    assert told(case / ".dfindex") == there(case)
    run(copy / ".dfindex", copy)
    assert told(copy / ".dfindex") == there(copy) | gone
    assert told(case / ".dfindex") == there(case)


def test_an_index_that_moves_alone_keeps_its_corpus(case: Path, tmp_path: Path) -> None:
    run(case / ".dfindex", case)
    (tmp_path / "desk").mkdir()
    index = (case / ".dfindex").rename(tmp_path / "desk" / "index")
    assert told(index) == there(case)
    nothing_is_new(index, case)
    # From here on the two are seen from each other anew.
    moved = tmp_path.parent / f"{tmp_path.name}-moved"
    moved.mkdir()
    (tmp_path / "desk").rename(moved / "desk")
    case.rename(moved / case.name)
    assert told(moved / "desk" / "index") == there(moved / case.name)


def test_an_index_elsewhere_keeps_absolute_paths(case: Path, tmp_path: Path) -> None:
    index = tmp_path / "home" / "somebody" / "index"
    run(index, case)
    assert told(index) == there(case)
    nothing_is_new(index, case)


def test_a_disk_that_is_not_there_keeps_its_paths(case: Path, tmp_path: Path) -> None:
    index = tmp_path / "index"
    run(index, case)
    before = told(index)
    hidden = case.rename(tmp_path.with_name(f"{tmp_path.name}-hidden"))
    with IndexWriter(index):
        pass
    assert told(index) == before
    hidden.rename(case)
    nothing_is_new(index, case)


def test_an_index_reached_through_a_link(case: Path, tmp_path: Path) -> None:
    run(case / ".dfindex", case)
    link = tmp_path / "short"
    link.symlink_to(case / ".dfindex")
    assert told(link) == there(case)
    with IndexWriter(link):
        pass
    renamed = case.rename(tmp_path / "evidence")
    link.unlink()
    link.symlink_to(renamed / ".dfindex")
    assert told(link) == there(renamed)


def test_a_corpus_named_through_a_link_keeps_that_name(case: Path, tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(case)
    run(case / ".dfindex", link)
    assert told(case / ".dfindex") == there(link)
    encoder = MeanColour()
    assert run(case / ".dfindex", link, encoder=encoder).unchanged == 7
    assert encoder.pictures == 0


@pytest.mark.slow
def test_a_folder_above_an_older_root_takes_only_what_is_new(case: Path) -> None:
    run(case / ".dfindex", case / "photos")
    run(case / ".dfindex", case)
    assert told(case / ".dfindex") == there(case)
    with IndexReader(case / ".dfindex") as reader:
        assert len(reader.catalog.query("SELECT * FROM files")) == 7
    nothing_is_new(case / ".dfindex", case)


def test_roots_that_come_to_lie_in_each_other_hold_each_file_once(
    case: Path, tmp_path: Path
) -> None:
    """An index of a case and of its backup moves into the backup, the case is gone."""
    backup = tmp_path / "backup"
    shutil.copytree(case, backup)
    run(case / ".dfindex", case, backup / "photos")
    (case / ".dfindex").rename(backup / ".dfindex")
    shutil.rmtree(case)
    assert told(backup / ".dfindex") == there(backup)
    with IndexReader(backup / ".dfindex") as reader:
        rows = reader.catalog.query("SELECT count(*), count(DISTINCT raw) FROM paths")
        assert rows == [(7, 7)]
    nothing_is_new(backup / ".dfindex", backup)
    with IndexReader(backup / ".dfindex") as reader:
        assert len(reader.catalog.query("SELECT * FROM files")) == 7


def test_a_catalog_made_anew_from_the_segments_of_a_moved_case(case: Path) -> None:
    run(case / ".dfindex", case)
    renamed = case.rename(case.with_name("evidence"))
    for name in ("catalog.duckdb", "published/catalog.duckdb"):
        (renamed / ".dfindex" / name).unlink()
    repair(renamed / ".dfindex")
    assert told(renamed / ".dfindex") <= there(renamed)
    run(renamed / ".dfindex", renamed)
    assert told(renamed / ".dfindex") == there(renamed)


def test_an_index_below_a_name_that_is_not_utf_8(
    case: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """DuckDB takes no such path; relative to the folder itself it has none."""
    run(case / ".dfindex", case)
    renamed = case.rename(os.fsdecode(os.fsencode(tmp_path) + b"/f\xe9ll"))
    with pytest.raises(StoreError, match="rename the folder"):
        told(renamed / ".dfindex")
    monkeypatch.chdir(renamed)
    assert told(Path(".dfindex")) == there(renamed)
    nothing_is_new(Path(".dfindex"), renamed)


def test_what_is_seen_from_the_index_goes_before_what_was(tmp_path: Path) -> None:
    old, new = tmp_path / "old", tmp_path / "new"
    for folder in (old, new):
        (folder / "index").mkdir(parents=True)
        (folder / "a.png").touch()
    root = Root(1, os.fsencode(old), b"..")
    index = os.fsencode(new / "index")
    assert place_of(root, index, lambda: [b"gone.png", b"a.png"]).location == os.fsencode(new)
    (new / "a.png").unlink()
    assert place_of(root, index, lambda: [b"gone.png", b"a.png"]).location == os.fsencode(old)


class TestOfTheVersionBefore:
    """The index of /srv/harbour that was made before there were roots."""

    def test_moved_before_it_was_upgraded(self, tmp_path: Path) -> None:
        harbour = unpacked(tmp_path)
        assert told(harbour / ".dfindex") == there(harbour)
        nothing_is_new(harbour / ".dfindex", harbour)

    def test_moved_again_afterwards(self, tmp_path: Path) -> None:
        harbour = unpacked(tmp_path)
        with IndexWriter(harbour / ".dfindex"):
            pass
        renamed = harbour.rename(tmp_path / "port")
        assert told(renamed / ".dfindex") == there(renamed)
        nothing_is_new(renamed / ".dfindex", renamed)

    def test_a_copy_beside_its_original(self, tmp_path: Path) -> None:
        original = unpacked(tmp_path, was=tmp_path / "harbour")
        copy = shutil.copytree(original, tmp_path / "copy")
        assert told(copy / ".dfindex") == there(copy)
        assert told(original / ".dfindex") == there(original)

    def test_where_it_was_made(self, tmp_path: Path) -> None:
        harbour = unpacked(tmp_path, was=tmp_path / "harbour")
        nothing_is_new(harbour / ".dfindex", harbour)

    def test_its_index_elsewhere(self, tmp_path: Path) -> None:
        harbour = unpacked(tmp_path, was=tmp_path / "harbour")
        (tmp_path / "home").mkdir()
        index = (harbour / ".dfindex").rename(tmp_path / "home" / "index")
        assert told(index) == there(harbour)
        nothing_is_new(index, harbour)

    def test_what_is_not_there_stays_known_by_its_old_path(self, tmp_path: Path) -> None:
        harbour = unpacked(tmp_path)
        index = (harbour / ".dfindex").rename(tmp_path / "index")
        shutil.rmtree(harbour)
        paths = {bytes(b"/srv/harbour/" + name) for name in (b"red.png", b"notes.txt")}
        assert told(index) > paths
