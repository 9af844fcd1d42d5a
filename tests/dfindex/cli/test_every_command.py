"""Every command, where it cannot write or what it is given is no index: one line, exit code 3.

The table below names every command that there is; a new one has no place to hide.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from dfindex.cli.main import main
from tests.dfindex.cli.forked import Done, run_all
from tests.fake_encoder import NAME
from tests.pictures import corpus


@dataclass(frozen=True)
class Command:
    """A command by example, in the case below; ``writes`` to the index, to ``OUT``, or nothing.

    ``indexed``: it needs an index.
    """

    line: str
    writes: str = ""
    indexed: bool = True

    @property
    def name(self) -> str:
        words = self.line.split()
        groups = ("label", "models", "export", "probe", "bench")
        return " ".join(words[: 2 if words[0] in groups else 1])


COMMANDS = (
    Command(f"build corpus more --encoder {NAME} --workers 1", "index"),
    Command("status"),
    Command("failures --json"),
    Command("search corpus/00000.png"),
    Command("search corpus/00000.png --report OUT", "OUT"),
    Command("compare corpus/00000.png corpus/copy.png --out OUT", "OUT", indexed=False),
    Command("duplicates"),
    Command("duplicates --report OUT", "OUT"),
    Command("decide 1 2 same", "index"),
    Command("remove 1", "index"),
    Command("compact", "index"),
    Command("relocate corpus moved --force", "index"),
    Command("doctor"),
    Command("doctor --repair", "index"),
    Command("label import labels.csv", "index"),
    Command("label list"),
    Command("label set 1 real", "index"),
    Command("detect corpus/00000.png --encoder tiny", indexed=False),
    Command("explain corpus/00000.png --encoder tiny --device cpu --out OUT", "OUT", indexed=False),
    Command("models fetch commfor --from tiny", "home", indexed=False),
    Command("models list --json", indexed=False),
    Command("models show commfor", indexed=False),
    Command("models verify tiny", indexed=False),
    Command("map --json"),
    Command("map --out OUT", "OUT"),
    Command("serve --port 0 --no-auth"),
    Command("export parquet OUT", "OUT"),
    Command("export vectors OUT", "OUT"),
    Command("probe train another --method lda", "index"),
    Command("probe evaluate paint", "index"),
    Command("probe episodes --shots 1 --held-out paint --episodes 2 --queries 2"),
    Command("probe apply paint", "index"),
    Command("probe list"),
    Command("probe show paint"),
    Command("probe suggest paint"),
)
APART = {"bench build", "bench copy", "bench probe", "bench search"}  # measure in folders of theirs
SERVES = "serve"  # does not end by itself where all is well


def test_the_table_names_every_command() -> None:
    def leaves(command: click.Command, path: str) -> Iterator[str]:
        if not isinstance(command, click.Group):
            yield path
            return
        context = click.Context(command)
        for name in command.list_commands(context):
            below = command.get_command(context, name)
            assert below is not None
            yield from leaves(below, f"{path} {name}".strip())

    assert set(leaves(main, "")) == {one.name for one in COMMANDS} | APART


@pytest.fixture(scope="module")
def case() -> Iterator[Path]:
    """Index labelled pictures, train a probe, draw a map, and go into their folder."""
    from tests.dfindex.cli.test_probe import reddish
    from tests.tiny_vit import write_tiny_vit

    root = Path(tempfile.mkdtemp(prefix="dfindex-case-"))
    (root / "corpus").mkdir()
    lines = ["path,label,generator"]
    for number in range(28):
        fake = number % 2 == 1
        reddish(number, fake=fake).save(root / "corpus" / f"{number:05}.png")
        lines.append(f"corpus/{number:05}.png,{'fake,paint' if fake else 'real,'}")
    shutil.copy(root / "corpus" / "00000.png", root / "corpus" / "copy.png")
    (root / "labels.csv").write_text("\n".join(lines) + "\n")
    write_tiny_vit(root / "tiny", num_labels=1)
    os.chdir(root)
    built = ["build", "corpus", "--index", "index", "--encoder", NAME, "--workers", "1"]
    for arguments in (
        [*built, "--labels", "labels.csv"],
        ["probe", "train", "paint", "--method", "lda", "--index", "index"],
        ["map", "--json", "--index", "index"],
    ):
        done = CliRunner().invoke(main, arguments)
        assert done.exit_code == 0, done.output
    corpus(root / "more", 3, first_seed=900)
    yield root
    os.chdir("/")
    shutil.rmtree(root)


@contextmanager
def mounted(folder: Path, *arguments: object) -> Iterator[None]:
    done = subprocess.run(["mount", *map(str, arguments), folder], capture_output=True, check=False)
    if done.returncode:
        pytest.skip("disks cannot be mounted here")
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", folder], check=True)


def filled(commands: list[Command], index: object, out: object = "out.png") -> list[list[str]]:
    return [
        [str(out) if word == "OUT" else word for word in one.line.split()]
        + (["--index", str(index)] if one.indexed else [])
        for one in commands
    ]


def fill(path: Path) -> None:
    """Write a file until its disk is full to the last block."""
    with path.open("wb", buffering=0) as file, suppress(OSError):
        while file.write(bytes(4096)):
            pass


def files_in(folder: Path) -> dict[str, bytes]:
    return {
        str(one.relative_to(folder)): one.read_bytes()
        for one in sorted(folder.rglob("*"))
        if one.is_file() and one.name != "LOCK"
    }


def run_here(commands: list[list[str]]) -> list[Done]:
    """Run commands in this process, in the folder of the case."""
    results = [(one, CliRunner().invoke(main, one)) for one in commands]
    return [Done(one, result.exit_code, result.stdout, result.stderr) for one, result in results]


def all_refused(done: list[Done], *words: str) -> None:
    assert [one for one in done if not one.refused(*words)] == []


def writing(where: str) -> list[Command]:
    return [one for one in COMMANDS if one.writes == where]


def reading() -> list[Command]:
    return [one for one in COMMANDS if one.indexed and not one.writes and one.line[:5] != SERVES]


@pytest.mark.slow
def test_a_folder_that_is_no_index_is_refused_and_left_as_it_is(case: Path, tmp_path: Path) -> None:
    corpus(tmp_path / "holiday", 2)
    (tmp_path / "file").write_text("no folder")
    (tmp_path / "empty").mkdir()
    indexed = [one for one in COMMANDS if one.indexed]
    before = files_in(tmp_path)
    for index in ("holiday", "file", "file/below", "empty", "nowhere"):
        built = index in ("empty", "nowhere")  # where a build makes an index, as it should
        asked = [one for one in indexed if not (built and one.name == "build")]
        all_refused(run_here(filled(asked, tmp_path / index)))
    assert files_in(tmp_path) == before
    assert not (tmp_path / "nowhere").exists()
    assert not (case / "out.png").exists()


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_who_may_not_write_reads_and_is_told(case: Path) -> None:
    before = files_in(case)
    for path in (case, *case.rglob("*")):
        path.chmod(0o555 if path.is_dir() else 0o444)
    try:
        refused = filled(writing("index") + writing("OUT"), case / "index", case / "out.png")
        all_refused(run_all(refused, within=case, bare=True), "change the permissions")
        done = run_all(filled(reading(), case / "index"), within=case, bare=True)
        assert [one for one in done if one.code not in (0, 1) or one.err] == []
    finally:
        for path in (case, *case.rglob("*")):
            path.chmod(0o755 if path.is_dir() else 0o644)
    assert files_in(case) == before


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("most_bytes", [4096, pytest.param(100_000, marks=pytest.mark.soak)])
def test_files_that_may_not_grow_are_not_half_written(case: Path, most_bytes: int) -> None:
    for command in writing("index"):
        index = case / "limited"
        shutil.rmtree(index, ignore_errors=True)
        shutil.copytree(case / "index", index)
        [done] = run_all(filled([command], index), within=case, most_bytes=most_bytes)
        assert done.refused("ulimit -f") or done.code == 0, done
        assert CliRunner().invoke(main, ["doctor", "--index", str(index)]).exit_code == 0, done
    done = run_all(filled(writing("OUT"), case / "index"), within=case, most_bytes=most_bytes)
    assert [one for one in done if not one.refused("ulimit -f") and one.code] == []
    for path in case.glob("*out*"):
        assert path.stat().st_size <= most_bytes
        path.unlink()
    assert not list(case.glob(".*.part*"))


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_full_disk_below_the_index_is_told_and_harms_nothing(case: Path, tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    with mounted(disk, "-t", "tmpfs", "-o", "size=80m", "tmpfs"):
        for command in [*writing("index"), *reading()]:
            shutil.copytree(case / "index", disk / "index")
            fill(disk / "filler")
            [done] = run_here(filled([command], disk / "index"))
            (disk / "filler").unlink()
            if command.writes:
                assert done.refused(f"disk at {disk} is full", "make room"), done
            else:
                assert done.code in (0, 1) and not done.err, done
            assert (
                CliRunner().invoke(main, ["doctor", "--index", str(disk / "index")]).exit_code == 0
            )
            assert not [one for one in disk.rglob("*") if one.suffix in (".tmp", ".part")], done
            shutil.rmtree(disk / "index")


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_read_only_disk_below_the_index_is_told(case: Path, tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    with mounted(disk, "--bind", case / "index"):
        subprocess.run(["mount", "-o", "remount,ro,bind", disk], check=True)
        before = files_in(disk)
        all_refused(run_here(filled(writing("index"), disk)), f"disk at {disk} is read-only")
        done = run_here(filled(reading(), disk))
        assert [one for one in done if one.code not in (0, 1) or one.err] == []
        assert files_in(disk) == before


@pytest.mark.slow
def test_an_output_that_cannot_be_written_is_told(case: Path, tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    for out in ("nowhere/out.png", "folder", "/dev/full", "/dev/null", "/proc/out.png"):
        all_refused(
            run_here(filled(writing("OUT"), case / "index", tmp_path / out)), "could not write"
        )
    assert list(tmp_path.rglob("*")) == [tmp_path / "folder"]


@pytest.mark.soak
@pytest.mark.timeout(900)
def test_a_full_standard_output_is_told(case: Path) -> None:
    shutil.copytree(case / "index", case / "printed")
    told = [one for one in COMMANDS if one.line[:5] != SERVES and one.writes != "home"]
    done = run_all(filled(told, case / "printed"), within=case, out="/dev/full")
    all_refused(done, "could not write the output")
    assert CliRunner().invoke(main, ["doctor", "--index", str(case / "printed")]).exit_code == 0
    shutil.rmtree(case / "printed")


@pytest.mark.slow
def test_fetched_models_are_whole_or_not_there(
    case: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DFINDEX_MODELS", str(tmp_path / "models"))
    [done] = run_all(filled(writing("home"), ""), within=case, most_bytes=4096)
    assert done.refused("ulimit -f")
    assert not [one for one in (tmp_path / "models").rglob("*") if one.is_file()]
