"""Processes whose output breaks, and consoles that cannot show a name."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from dfindex.cli import main
from tests.checkout import ROOT
from tests.fake_encoder import NAME
from tests.marks import mostly_slow
from tests.pictures import corpus, picture

START = "import sys, tests.fake_encoder; from dfindex.cli import main; main(prog_name='dfindex')"
# The names of four files: in UTF-8, in Latin-1, and such as would steer a console.
NAMES = (b"caf\xc3\xa9.png", b"na\xefve.png", "日本.png".encode(), b"a\x1b[31mred\xe2\x80\xae.png")

Start = Callable[..., subprocess.CompletedProcess[bytes]]


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Index 12 pictures with plain names and four with others."""
    folder = tmp_path_factory.mktemp("streams")
    paths = corpus(folder / "corpus", 12)
    for number, name in enumerate(NAMES):
        other = Path(os.fsdecode(os.fsencode(folder / "corpus") + b"/" + name))
        picture(100 + number).save(other)
    shutil.copy(paths[3], folder / "copy.png")
    arguments = ["build", folder / "corpus", "--index", folder / "index", "--encoder", NAME]
    result = CliRunner().invoke(main, [*map(str, arguments), "--workers", "1"])
    assert result.exit_code == 0, result.output
    return folder


@pytest.fixture
def start(index: Path) -> Start:
    """Start a process of dfindex in the folder of the index."""

    def run(
        *arguments: object, variables: dict[str, str] | None = None, **options: Any
    ) -> subprocess.CompletedProcess[bytes]:
        environment = {**os.environ, "DFINDEX_INDEX": "index", "PYTHONPATH": str(ROOT)}
        command = [sys.executable, "-c", START, *map(str, arguments)]
        streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE} | options
        return subprocess.run(
            command, cwd=index, env=environment | (variables or {}), check=False, **streams
        )

    return run


def test_a_full_disk_under_the_output_is_one_line(start: Start) -> None:
    with Path("/dev/full").open("wb") as full:
        for arguments in (["status"], ["status", "--json"], ["--help"]):
            done = start(*arguments, stdout=full)
            assert done.returncode == 3
            assert done.stderr.count(b"\n") == 1
            assert b"could not write the output: No space left on device" in done.stderr


def test_a_closed_output_is_one_line_and_harms_no_file(start: Start, index: Path) -> None:
    before = (index / "index" / "published" / "catalog.duckdb").read_bytes()
    done = start("status", stdout=None, preexec_fn=lambda: os.close(1))
    assert done.returncode == 3
    assert done.stderr.startswith(b"dfindex: could not write the output")
    assert done.stderr.count(b"\n") == 1
    assert (index / "index" / "published" / "catalog.duckdb").read_bytes() == before


def test_closed_or_full_errors_do_not_change_the_exit_code(start: Start) -> None:
    assert start("status", stderr=None, preexec_fn=lambda: os.close(2)).returncode == 0
    with Path("/dev/full").open("wb") as full:
        assert start("status", "--index", "nowhere", stderr=full).returncode == 3


@pytest.mark.parametrize(("more", "code"), [([], 0), (["--json"], 0), (["--min-score", "1.1"], 1)])
def test_a_reader_that_has_gone_changes_nothing(start: Start, more: list[str], code: int) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    done = start("search", "copy.png", "--no-verify", *more, stdout=writing)
    os.close(writing)
    assert (done.returncode, done.stderr) == (code, b"")


@pytest.mark.parametrize(
    "variables",
    mostly_slow(
        [
            {"PYTHONIOENCODING": "cp1252:strict"},
            {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
            {"PYTHONIOENCODING": "utf-8"},
        ],
        quick=1,
    ),
    ids=["cp1252", "ascii", "utf-8"],
)
def test_a_console_that_cannot_show_a_name_shows_escapes(
    start: Start, index: Path, variables: dict[str, str]
) -> None:
    raw = os.fsencode(index / "corpus") + b"/" + NAMES[1]
    table = start("search", os.fsdecode(raw), "--no-verify", "-k", 40, "--all", variables=variables)
    assert (table.returncode, table.stderr) == (0, b"")
    shown = table.stdout.replace(b"\n", b"")
    assert rb"na\xefve" in shown and rb"a\x1b[31m" in shown
    assert b"\x1b" not in shown and b"\xe2\x80\xae" not in shown
    answer = start("search", os.fsdecode(raw), "--no-verify", "--json", variables=variables)
    assert (answer.returncode, answer.stderr) == (0, b"")
    assert os.fsencode(json.loads(answer.stdout.decode())["query"]["path"]) == raw


def test_an_error_names_a_file_without_its_control_characters(start: Start) -> None:
    done = start("search", "no\x1b[31mwhere\n.png")
    assert done.returncode == 3
    assert done.stderr.count(b"\n") == 1
    assert rb"no\x1b[31mwhere" in done.stderr


def test_what_nobody_foresaw_is_one_line_and_its_traceback_can_be_had(start: Start) -> None:
    code = (
        "import dfindex.index; from dfindex.cli import main\n"
        "dfindex.index.Index.__init__ = lambda self, path: 1 // 0\n"
        "main(['status'])"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    for more, lines in (({}, 1), ({"DFINDEX_DEBUG": "1"}, 6)):
        done = subprocess.run(
            [sys.executable, "-c", code],
            capture_output=True,
            text=True,
            env=environment | more,
            check=False,
        )
        assert done.returncode == 3
        assert "ZeroDivisionError" in done.stderr
        assert "DFINDEX_DEBUG=1" in done.stderr
        assert (done.stderr.count("\n") == 1) is (lines == 1)
        assert ("Traceback" in done.stderr) is (lines > 1)
