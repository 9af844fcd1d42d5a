"""Some of the cases of `benchmarks.store.kills` and `damage`, and what they stand on."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.store.case import State
from benchmarks.store.forks import forked
from benchmarks.store.power_loss import Disk
from tests.checkout import ROOT


def ran(module: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    return subprocess.run(
        [sys.executable, "-m", f"benchmarks.store.{module}", *arguments],
        capture_output=True,
        text=True,
        env=environment,
        check=False,
    )


@pytest.mark.slow
@pytest.mark.timeout(400)
@pytest.mark.skipif(shutil.which("cc") is None, reason="needs a C compiler")
def test_kills_and_failing_calls_lose_nothing() -> None:
    done = ran("kills", "--cases", "18", "--seed", "11")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "18 cases" in done.stdout
    assert "'kill: killed'" in done.stdout  # the cases do hit
    assert "refused" in done.stdout


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_damage_of_every_kind_of_file_is_seen_and_repaired() -> None:
    done = ran("damage", "--cases", "17", "--seed", "11")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "17 cases, 0 bad" in done.stdout
    assert "vectors: met, seen: 1" in done.stdout


def test_what_was_not_synced_is_lost_with_the_power(tmp_path: Path) -> None:
    folder, shadow = tmp_path / "index", tmp_path / "shadow"
    folder.mkdir()
    shadow.mkdir()
    (folder / "old").write_bytes(b"old")
    disk = Disk(folder, shadow)
    (folder / "old").write_bytes(b"changed")
    (folder / "new").write_bytes(b"new")
    new = (folder / "new").stat().st_ino
    # What the library writes when the second file is synced, its folder is not.
    (shadow / str(new)).write_bytes(b"ne")
    (shadow / "log").write_text(f"F\t{new}\t{folder / 'new'}\n")
    disk.lose()
    assert {one.name: one.read_bytes() for one in folder.iterdir()} == {"old": b"old", "new": b"ne"}


def test_a_name_is_lost_that_its_folder_did_not_keep(tmp_path: Path) -> None:
    folder, shadow = tmp_path / "index", tmp_path / "shadow"
    folder.mkdir()
    shadow.mkdir()
    (folder / "a").write_bytes(b"1")
    disk = Disk(folder, shadow)
    (folder / "a").rename(folder / "b")
    disk.lose()
    assert [one.name for one in folder.iterdir()] == ["a"]
    shutil.rmtree(shadow)
    shadow.mkdir()
    disk = Disk(folder, shadow)
    (shadow / "log").write_text(f"D\t{folder}\nE\t{(folder / 'a').stat().st_ino}\t0\tb\n.\n")
    disk.lose()
    assert (folder / "b").read_bytes() == b"1"


@pytest.mark.parametrize(
    ("work", "kind"),
    [
        (lambda: 3, "done"),
        (lambda: Path("/nowhere").read_bytes(), "refused"),
        (lambda: 1 / 0, "broken"),
        (lambda: os.kill(os.getpid(), 9), "killed"),
        (lambda: os.kill(os.getpid(), 15), "crashed"),
    ],
)
def test_a_fork_tells_how_it_ended(work: object, kind: str) -> None:
    assert forked(work).kind == kind  # type: ignore[arg-type]


def test_a_state_may_be_the_one_before_or_after_in_each_part() -> None:
    before = State({"a": "1", "b": "2"}, {}, {}, {})
    after = State({"a": "9"}, {"x": "fake"}, {}, {})
    assert State({"a": "9", "b": "2"}, {}, {}, {}).neither(before, after) == []
    assert State({"a": "5"}, {}, {}, {}).neither(before, after) == ["paths: a is 5, not 1 or 9"]
    assert State({}, {}, {}, {}).neither(before, after) == ["paths: a is None, not 1 or 9"]
