"""Repair brings back what was lost, and nothing that was removed, replaced or dropped."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from indexer.build import BuildOptions, build
from indexer.errors import IndexDamagedError, IndexFormatError, StoreError
from indexer.store.catalog.changes import Label
from indexer.store.catalog.database import attach
from indexer.store.catalog.migrations import FORMAT_VERSION
from indexer.store.maintenance import compaction, database_check
from indexer.store.maintenance.compaction import compact
from indexer.store.maintenance.examination import examine
from indexer.store.maintenance.repair import repair
from indexer.store.reader import IndexReader
from indexer.store.writer import IndexWriter
from tests.fake_encoder import MeanColour
from tests.marks import mostly_slow
from tests.pictures import corpus, picture

FILES = 12
CATALOGS = ("catalog.duckdb", "published/catalog.duckdb")
OPTIONS = BuildOptions(workers=1, batch_size=4, loaded_from="mean-colour")


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("repair")
    corpus(root / "corpus", FILES)
    add(root / "index", root / "corpus")
    return root


@pytest.fixture
def case(built: Path, tmp_path: Path) -> Path:
    """Return a folder with a corpus and its index, of the test's own."""
    shutil.copytree(built, tmp_path / "case")
    return tmp_path / "case"


def add(index: Path, folder: Path) -> int:
    with IndexWriter(index) as writer:
        return build(writer, MeanColour(), [folder], OPTIONS).embedded


def remove(index: Path, paths: list[Path]) -> None:
    with IndexWriter(index) as writer:
        assert writer.catalog.remove_paths([os.fsencode(one) for one in paths]) == len(paths)


def known(index: Path) -> dict[str, str]:
    """Return what a reader finds: the content of each path that has a live embedding."""
    with IndexReader(index) as reader:
        space = reader.space()
        found = space.embeddings()
        _, near = space.neighbours(found.vectors, 3)
        assert set(near.ravel().tolist()) <= set(found.ids.tolist())
        samples = reader.catalog.samples(found.ids.tolist())
        return {Path(one.path).name: one.sha256 for one in samples}


def segments(index: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in index.glob("spaces/*/segments/*")}


def put_back(files: dict[str, bytes]) -> None:
    for name, data in files.items():
        Path(name).write_bytes(data)


def lose_both_catalogs(index: Path) -> None:
    for name in CATALOGS:
        (index / name).write_bytes(b"gone")


def nothing(_: Path) -> None:
    pass


def forget_the_ledger(index: Path) -> None:
    (index / "published" / "ledger.json").unlink()


def lose_all(index: Path) -> None:
    lose_both_catalogs(index)
    forget_the_ledger(index)


@pytest.mark.parametrize(
    "harm", mostly_slow([nothing, forget_the_ledger, lose_both_catalogs], quick=1)
)
def test_what_a_compaction_dropped_stays_dropped(case: Path, harm: Callable[[Path], None]) -> None:
    """Removed, compacted, killed before the old segments were deleted, repaired."""
    index, gone = case / "index", sorted((case / "corpus").iterdir())[:5]
    before = segments(index)
    remove(index, gone)
    with IndexWriter(index) as writer:
        compact(writer)
    expected = known(index)
    assert len(expected) == FILES - 5
    put_back(before)
    harm(index)
    repair(index)
    assert known(index) == expected
    assert examine(index).healthy


@pytest.mark.slow
def test_a_removal_holds_although_no_catalog_is_left(case: Path) -> None:
    index, gone = case / "index", sorted((case / "corpus").iterdir())[3:6]
    remove(index, gone)
    expected = known(index)
    lose_both_catalogs(index)
    repair(index)
    assert known(index) == expected
    with IndexReader(index) as reader:
        assert not {str(one) for one in gone} & {
            path for (path,) in reader.catalog.query("SELECT path FROM paths")
        }


@pytest.mark.slow
def test_a_removal_holds_although_older_catalogs_were_put_back(case: Path) -> None:
    """As from a backup, after a compaction and a further build."""
    index = case / "index"
    older = {name: (index / name).read_bytes() for name in CATALOGS}
    before = segments(index)
    remove(index, sorted((case / "corpus").iterdir())[:2])
    corpus(case / "more", 3, first_seed=300)
    add(index, case / "more")
    with IndexWriter(index) as writer:
        compact(writer)
    expected = known(index)
    put_back(before)
    for name, data in older.items():
        (index / name).write_bytes(data)
    with pytest.raises(IndexDamagedError, match="commits were lost"):
        IndexWriter(index)
    repair(index)
    assert known(index) == expected
    assert examine(index).healthy
    assert not set(before) & set(segments(index))
    assert add(index, case / "more") == 0


def test_no_writer_starts_anew_where_only_the_catalogs_are_gone(case: Path) -> None:
    """It would take all segments for those of no commit."""
    index = case / "index"
    expected = known(index)
    for name in CATALOGS:
        (index / name).unlink()
    with pytest.raises(IndexDamagedError, match="doctor --repair"):
        IndexWriter(index)
    repair(index)
    assert known(index) == expected
    assert add(index, case / "corpus") == 0


@pytest.mark.slow
def test_without_catalog_and_ledger_only_what_is_in_the_corpus_comes_back(tmp_path: Path) -> None:
    index, files = tmp_path / "index", corpus(tmp_path / "corpus", FILES)
    add(index, tmp_path / "corpus")
    remove(index, files[:2])
    files[0].unlink()
    files[1].unlink()
    lose_all(index)
    repair(index)
    assert sorted(known(index)) == [one.name for one in files[2:]]


@pytest.mark.parametrize("harm", mostly_slow([nothing, lose_both_catalogs, lose_all], quick=1))
def test_a_changed_file_keeps_its_new_content(case: Path, harm: Callable[[Path], None]) -> None:
    index, file = case / "index", case / "corpus" / "00003.png"
    before = segments(index)
    picture(77, (64, 48)).save(file)
    assert add(index, case / "corpus") == 1
    expected = known(index)
    with IndexWriter(index) as writer:
        compact(writer)
    put_back(before)
    harm(index)
    repair(index)
    assert known(index) == expected


def test_a_kill_before_the_unlink_is_made_good_by_the_next_writer(
    case: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    index = case / "index"
    old = set(segments(index))
    remove(index, [case / "corpus" / "00000.png"])
    with monkeypatch.context() as patched, IndexWriter(index) as writer:
        patched.setattr(compaction, "delete_dropped", lambda *_: None)
        compact(writer)
    assert old <= set(segments(index))
    with IndexWriter(index):
        pass
    assert not old & set(segments(index))
    assert not list((index / "quarantine").glob("*"))


def test_segments_wait_for_the_readers_of_older_generations(case: Path) -> None:
    index = case / "index"
    old = set(segments(index))
    with IndexReader(index) as reader:
        remove(index, [case / "corpus" / "00000.png"])
        with IndexWriter(index) as writer:
            compact(writer)
        space = reader.space()  # nothing of it was read before
        assert len(space.embeddings().ids) == FILES
        assert sum(len(ids) for ids, _ in space.keypoint_rows()) == FILES
        assert old <= set(segments(index))
        with IndexReader(index):  # one of the newest generation needs no old segment
            pass
    with IndexReader(index), IndexWriter(index):
        assert not old & set(segments(index))


@pytest.mark.parametrize("pattern", mostly_slow(["*.cls", "*.patch", "*.ids", "*.points"], quick=2))
def test_what_may_not_be_read_is_no_damage(
    case: Path, pattern: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An error that says nothing about the bytes stops the repair before anything moves."""
    index = case / "index"
    before = {path: path.read_bytes() for path in index.rglob("*") if path.is_file()}
    expected = known(index)
    file = next(index.glob(f"spaces/*/segments/{pattern}"))
    data = file.read_bytes()
    file.unlink()
    file.mkdir()  # reading it is EISDIR, also for one who may read everything
    result = examine(index)
    assert [one.path for one in result.findings if one.unreadable]
    with pytest.raises(StoreError, match="nothing was repaired") as raised:
        repair(index)
    assert not isinstance(raised.value, IndexDamagedError)
    file.rmdir()
    file.write_bytes(data)
    del before[index / "LOCK"]
    assert {path: path.read_bytes() for path in before} == before
    assert known(index) == expected


def test_readers_have_an_index_all_through_a_repair(
    case: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where the writer's catalog is the newer one, and where the repair is cut off."""
    index = case / "index"
    expected = known(index)
    (index / "catalog.duckdb").write_bytes(b"gone")
    asked = []

    def interrupted(*_: object) -> None:
        asked.append(known(index))
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("indexer.store.maintenance.repair.publish", interrupted)
        with pytest.raises(KeyboardInterrupt):
            repair(index)
    assert asked == [expected]
    assert known(index) == expected
    repair(index)
    assert known(index) == expected
    assert examine(index).healthy


def test_a_newer_format_is_not_repaired(case: Path) -> None:
    index = case / "index"
    for name in CATALOGS:
        connection = attach(index / name, read_only=False)
        connection.execute(
            "UPDATE meta SET value = ? WHERE key = 'format_version'", [str(FORMAT_VERSION + 1)]
        )
        connection.close()
    before = (index / "catalog.duckdb").read_bytes()
    with pytest.raises(StoreError, match="newer dfindex"):
        repair(index)
    assert (index / "catalog.duckdb").read_bytes() == before


def flip_in_an_index(file: Path) -> None:
    """Damage a block that only indexes use: all rows can be read, and none inserted.

    Found by trial, since DuckDB does not tell which blocks those are.
    """
    data = file.read_bytes()
    for start in range(3 * 4096, len(data), 262144):
        flipped = bytearray(data)
        flipped[start + 4096] ^= 1
        file.write_bytes(flipped)
        state = database_check.look(file)
        if state.generation is not None and state.problem:
            return
    raise AssertionError("no block of an index found")


@pytest.mark.slow
def test_a_flip_in_an_index_block_is_seen_and_mended(case: Path) -> None:
    index = case / "index"
    with IndexWriter(index) as writer:
        content = next(iter(known(index).values()))
        writer.catalog.set_labels({content: Label(label="fake")})
    expected = known(index)
    file = index / "catalog.duckdb"
    flip_in_an_index(file)
    assert [one.path for one in examine(index).findings] == [str(file)]
    repair(index)
    assert examine(index).healthy
    assert known(index) == expected
    corpus(case / "more", 3, first_seed=500)
    assert add(index, case / "more") == 3
    with IndexReader(index) as reader:
        assert reader.catalog.query("SELECT sha256, label FROM labels") == [(content, "fake")]


@pytest.mark.slow
@pytest.mark.parametrize("where", ["name", "index"])
def test_segments_that_were_exchanged_are_seen(case: Path, tmp_path: Path, where: str) -> None:
    index = case / "index"
    corpus(case / "more", FILES, first_seed=500)
    if where == "name":
        add(index, case / "more")
        first, *_, second = sorted(index.glob("spaces/*/segments/*.ids"))
    else:  # the same numbers and ids, of other pictures
        add(tmp_path / "other", case / "more")
        first, second = (
            next(index.glob("spaces/*/segments/*.ids")),
            next((tmp_path / "other").glob("spaces/*/segments/*.ids")),
        )
    for suffix in (".ids", ".cls", ".patch", ".points"):
        shutil.copy(second.with_suffix(suffix), first.with_suffix(suffix))
    result = examine(index)
    lost = [one.loses for one in result.findings if one.loses]
    assert lost
    repair(index)
    assert examine(index).healthy
    assert sum(int(one.split()[0]) for one in lost) == add(index, case / "corpus")


@pytest.mark.slow
def test_labels_outlive_the_loss_of_all_other_tables(case: Path) -> None:
    """Both catalogs have a damaged block of rows, not the same table's."""
    index = case / "index"
    content = next(iter(known(index).values()))
    with IndexWriter(index) as writer:
        writer.catalog.set_labels({content: Label(label="fake", generator="gan")})
    expected = known(index)
    for name in CATALOGS:
        damage_rows(index / name, "samples")
    result = repair(index)
    assert any("started a new catalog, with labels" in one for one in result.actions)
    assert known(index) == expected
    with IndexReader(index) as reader:
        assert reader.catalog.query("SELECT sha256, generator FROM labels") == [(content, "gan")]
    assert add(index, case / "corpus") == 0


def damage_rows(file: Path, table: str) -> None:
    connection = attach(file, read_only=True)
    block, offset = connection.execute(
        f"SELECT block_id, block_offset FROM pragma_storage_info('{table}') "
        "WHERE segment_type = 'VARCHAR' AND block_id >= 0 LIMIT 1"
    ).fetchone()
    connection.close()
    data = bytearray(file.read_bytes())
    data[3 * 4096 + block * 262144 + offset + 64] ^= 1
    file.write_bytes(data)
    with pytest.raises((IndexDamagedError, IndexFormatError)):
        check = database_check.look(file)
        raise IndexDamagedError(check.problem) if check.generation is None else AssertionError
