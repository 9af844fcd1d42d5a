"""Full, read-only and foreign folders: one line, exit code 3, and nothing half-written."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb
import pytest
from click.testing import CliRunner, Result

from dfindex.cli import main
from tests.fake_encoder import NAME
from tests.marks import mostly_slow
from tests.pictures import corpus


def run(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(one) for one in arguments])


def built(root: Path, index: Path, *more: object) -> Result:
    return run("build", root, "--index", index, "--encoder", NAME, "--workers", 1, *more)


def mount(*arguments: object) -> None:
    done = subprocess.run(["mount", *map(str, arguments)], capture_output=True, check=False)
    if done.returncode:
        pytest.skip("disks cannot be mounted here")


@contextmanager
def mounted(folder: Path, *arguments: object) -> Iterator[Path]:
    folder.mkdir(exist_ok=True)
    mount(*arguments, folder)
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", folder], check=True)


def files_in(folder: Path) -> dict[str, bytes]:
    return {str(one): one.read_bytes() for one in sorted(folder.rglob("*")) if one.is_file()}


def is_one_line(result: Result, *words: str) -> bool:
    lines = result.stderr.splitlines()
    assert result.exit_code == 3, result.output
    assert len(lines) == 1 and lines[0].startswith("dfindex: "), result.stderr
    return all(word in lines[0] for word in words)


@pytest.fixture(scope="module")
def case(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Index six pictures, two of which are one."""
    root = tmp_path_factory.mktemp("case")
    paths = corpus(root / "corpus", 5)
    shutil.copy(paths[0], root / "corpus" / "copy.png")
    assert built(root / "corpus", root / "index").exit_code == 0
    return root


@pytest.mark.parametrize("kib", mostly_slow([4, 24, 600, 1400], quick=1))
def test_a_build_on_a_full_disk_is_one_line_and_the_next_one_ends_it(
    case: Path, tmp_path: Path, kib: int
) -> None:
    with mounted(tmp_path / "disk", "-t", "tmpfs", "-o", f"size={kib}k", "tmpfs") as disk:
        index = disk / "index"
        assert is_one_line(built(case / "corpus", index), f"disk at {disk} is full", "make room")
        assert not [one for one in disk.rglob("*") if one.suffix in (".tmp", ".part")]
        mount("-o", "remount,size=64m", disk)
        again = built(case / "corpus", index)
        assert again.exit_code == 0, again.output
        assert run("doctor", "--index", index).exit_code == 0


WRITING = (
    ["remove", "1"],
    ["compact"],
    ["doctor", "--repair"],
    ["label", "set", "1", "real"],
    ["label", "import", "labels.csv"],
    ["decide", "1", "2", "same"],
)


def test_a_read_only_index_is_read_and_not_written(
    case: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("labels.csv").write_text("path,label\na.png,real\n")
    query = case / "corpus" / "00001.png"
    reading = [
        (["status"], 0),
        (["failures", "--json"], 0),
        (["search", query], 0),
        (["duplicates"], 0),
        (["label", "list"], 0),
        (["map", "--out", "map.html"], 0),
        (["map", "--json"], 0),
        (["export", "parquet", "table.parquet"], 0),
        (["export", "vectors", "vectors.npy"], 0),
        (["probe", "list"], 0),
        (["doctor"], 0),
    ]
    with mounted(tmp_path / "index", "--bind", case / "index") as index:
        mount("-o", "remount,ro,bind", index)
        before = files_in(index)
        for command, code in reading:
            result = run(*command, "--index", index)
            assert (result.exit_code, result.stderr) == (code, ""), command
        for command in WRITING:
            assert is_one_line(run(*command, "--index", index), f"disk at {index} is read-only")
        assert is_one_line(built(case / "corpus", index), "read-only")
        assert is_one_line(built(case / "corpus", index / "new"), "read-only")
        assert files_in(index) == before


OUTPUTS = (
    ["search", "QUERY", "--index", "INDEX", "--report", "OUT"],
    ["duplicates", "--index", "INDEX", "--report", "OUT"],
    ["compare", "QUERY", "QUERY", "--out", "OUT"],
    ["map", "--index", "INDEX", "--out", "OUT"],
    ["export", "parquet", "OUT", "--index", "INDEX"],
    ["export", "vectors", "OUT", "--index", "INDEX"],
)
LATER = (  # whose work takes long, or needs what is not there: only looked at before it begins
    ["explain", "QUERY", "--out", "OUT"],
    ["probe", "evaluate", "x", "--index", "INDEX", "--report", "OUT"],
    ["probe", "episodes", "--index", "INDEX", "--report", "OUT"],
)


def filled(command: list[str], case: Path, out: Path) -> list[object]:
    places = {"QUERY": case / "corpus" / "00000.png", "INDEX": case / "index", "OUT": out}
    return [places.get(one, one) for one in command]


@pytest.mark.parametrize("command", [*OUTPUTS, *LATER], ids=lambda one: " ".join(one[:2]))
def test_an_output_that_cannot_be_is_refused_before_the_work(
    case: Path, tmp_path: Path, command: list[str]
) -> None:
    (tmp_path / "folder.png").mkdir()
    (tmp_path / "file").touch()
    before = files_in(tmp_path)
    for out, words in (
        (tmp_path / "nowhere" / "out.png", "No such file or directory"),
        (tmp_path / "file" / "out.png", "Not a directory"),
        (tmp_path / "folder.png", "Is a directory"),
        (Path("/dev/null"), "a device or a pipe"),
    ):
        assert is_one_line(run(*filled(command, case, out)), f"could not write {out}", words)
    assert files_in(tmp_path) == before
    assert not (tmp_path / "nowhere").exists()
    assert Path("/dev/null").is_char_device()


def test_an_output_on_a_full_or_read_only_disk_is_not_half_written(
    case: Path, tmp_path: Path
) -> None:
    with mounted(tmp_path / "disk", "-t", "tmpfs", "-o", "size=4k", "tmpfs") as disk:
        out, filler = disk / "out.png", disk / "filler"
        filler.write_bytes(bytes(4096))
        for command in OUTPUTS:
            result = run(*filled(command, case, out))
            assert is_one_line(result, f"disk at {disk} is full", "out.png"), result.stderr
            assert list(disk.iterdir()) == [filler], command
        mount("-o", "remount,ro", disk)
        for command in OUTPUTS:
            assert is_one_line(run(*filled(command, case, out)), f"disk at {disk} is read-only")


def test_no_output_is_written_over_what_is_read(case: Path) -> None:
    query = case / "corpus" / "00000.png"
    before = query.read_bytes()
    assert run("compare", query, case / "corpus" / "copy.png", "--out", query).exit_code == 2
    assert query.read_bytes() == before


def test_a_folder_that_is_no_index_is_left_as_it_is(case: Path, tmp_path: Path) -> None:
    holiday, file = tmp_path / "holiday", tmp_path / "file"
    corpus(holiday, 2)
    file.write_text("no folder")
    others = [tmp_path / "old", tmp_path / "new"]
    for other, options in zip(others, ("(STORAGE_VERSION 'v1.2.0')", ""), strict=True):
        other.mkdir()
        with duckdb.connect() as connection:
            connection.execute(f"ATTACH '{other}/catalog.duckdb' AS theirs {options}")
            connection.execute("CREATE TABLE theirs.accounts (name VARCHAR)")
    before = files_in(tmp_path)
    for index, words in (
        (holiday, "holds '00000.png' and no index; name another folder"),
        (file, "expected a folder there"),
        (file / "below", "expected a folder there"),
        (others[0], "not one of dfindex's"),
        (others[1], "another"),
    ):
        assert is_one_line(built(case / "corpus", index), words), index
        for command in (["status"], ["compact"], ["doctor"]):
            assert run(*command, "--index", index).exit_code == 3
    left = {name: data for name, data in files_in(tmp_path).items() if not name.endswith("LOCK")}
    assert left == before


def test_a_new_disk_with_nothing_but_its_own_takes_an_index(case: Path, tmp_path: Path) -> None:
    (tmp_path / "disk" / "lost+found").mkdir(parents=True)
    (tmp_path / "disk" / ".hidden").touch()
    assert built(case / "corpus", tmp_path / "disk").exit_code == 0
