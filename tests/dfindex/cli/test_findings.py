"""The answer to a search on a terminal: the finding first, in few lines that fit."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from PIL import Image, ImageOps
from rich.cells import cell_len
from rich.text import Text

import dfindex
from tests.checkout import PHOTOS
from tests.dfindex.conftest import Run
from tests.fake_encoder import NAME

LONG = "a name that is much longer than a line of a narrow terminal can be, of a holiday in 2019"


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Index a picture ten times over, once under a long name, and six others."""
    root = tmp_path_factory.mktemp("findings")
    corpus = root / "corpus"
    (corpus / "deep").mkdir(parents=True)
    first, *others = sorted(PHOTOS.rglob("*.jpg"))[::40][:7]
    picture = Image.open(first)
    picture.save(corpus / "deep" / f"{LONG}.jpg", quality=95)
    for quality in range(60, 87, 3):
        picture.save(corpus / f"copy-{quality}.jpg", quality=quality)
    for number, path in enumerate(others):
        Image.open(path).save(corpus / f"other-{number}.jpg")
    width, height = picture.size
    part = ImageOps.mirror(picture.crop((0, 0, width * 7 // 10, height)))
    part.save(root / "part.jpg", quality=90)
    Image.open(sorted(PHOTOS.rglob("*.jpg"))[-1]).save(root / "unknown.jpg")
    dfindex.build([corpus], index=root / "index", encoder=NAME, workers=1).close()
    return root


def lines(
    run: Run, monkeypatch: pytest.MonkeyPatch, *arguments: object, width: int = 80
) -> list[str]:
    """Return what a terminal of so many columns shows, without its colours."""
    monkeypatch.setenv("COLUMNS", str(width))
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.delenv("NO_COLOR", raising=False)
    shown = run("search", *arguments).stdout
    assert "\x1b[" in shown
    return re.sub(r"\x1b\[[0-9;]*m", "", shown).splitlines()


def test_few_findings_are_told_with_what_was_changed(
    run: Run, monkeypatch: pytest.MonkeyPatch, index: Path
) -> None:
    found = lines(run, monkeypatch, index / "part.jpg", "--index", index / "index", "-k", 3)
    assert len(found) <= 14
    heads = [line for line in found if line.startswith(("copy of ", "altered copy of "))]
    assert len(heads) == 3
    told = found[found.index(heads[0]) + 1]
    assert re.match(r"  mirrored; shows (69|70|71) % of it; nothing altered in what both", told)
    assert found[-1] == "Searched 16 files."
    assert all(len(line) <= 80 for line in found)


@pytest.mark.parametrize("width", [80, pytest.param(140, marks=pytest.mark.slow)])
def test_ten_findings_fit_a_screen(
    run: Run, monkeypatch: pytest.MonkeyPatch, index: Path, width: int
) -> None:
    asked = (index / "corpus" / "copy-60.jpg", "--index", index / "index", "-k", 10)
    found = lines(run, monkeypatch, *asked, width=width)
    assert len(found) <= 14
    assert found[0] == "exact copy of copy-60.jpg"
    copies = [line for line in found if " of " in line]
    assert len(copies) == 10
    assert all(len(line) <= width for line in found)
    (long,) = [line for line in copies if line.endswith("of a holiday in 2019.jpg")]
    assert long.startswith("copy of …" if width == 80 else f"copy of deep/{LONG}")


def test_where_nothing_was_found_it_says_in_how_much(
    run: Run, monkeypatch: pytest.MonkeyPatch, index: Path
) -> None:
    found = lines(run, monkeypatch, index / "unknown.jpg", "--index", index / "index", "-k", 4)
    assert found[0] == "No copy of unknown.jpg in 16 files."
    assert re.fullmatch(r"4 nearest(, all unrelated|: .*): --all", found[1])
    assert len(found) == 2


def test_a_pipe_gets_plain_lines_with_whole_names(
    run: Run, monkeypatch: pytest.MonkeyPatch, index: Path
) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    query = index / "corpus" / "copy-60.jpg"
    shown = run("search", query, "--index", index / "index", "-k", 10).stdout
    assert "\x1b" not in shown
    assert f"copy of deep/{LONG}.jpg\n" in shown


def test_all_lists_what_is_only_near(
    run: Run, monkeypatch: pytest.MonkeyPatch, index: Path
) -> None:
    monkeypatch.setenv("COLUMNS", "140")
    shown = run("search", index / "unknown.jpg", "--index", index / "index", "--all").stdout
    assert shown.count("other-") + shown.count("copy-") >= 5
    assert "No copy was found: these are only the nearest." in shown


def test_no_more_is_said_than_was_looked_at(
    run: Run, monkeypatch: pytest.MonkeyPatch, index: Path
) -> None:
    asked = (index / "unknown.jpg", "--index", index / "index", "-k", 4)
    found = lines(run, monkeypatch, *asked, "--no-verify")
    assert found[0].startswith("No exact copy of unknown.jpg in 16 files; no pixels were compared.")
    found = lines(run, monkeypatch, *asked, "--where", "path like '%other%'", width=140)
    assert found[0] == "No copy of unknown.jpg in those of 16 files that meet the filter."
    found = lines(run, monkeypatch, *asked, "--where", "path = 'nowhere'", width=140)
    assert found == ["No copy of unknown.jpg in those of 16 files that meet the filter."]
    refused = run("search", index / "corpus", "--index", index / "index", "--all")
    assert refused.exit_code == 2
    assert "expected one picture or video with --all, got a folder" in refused.output


def test_a_name_of_wide_characters_keeps_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    from dfindex.cli.tables.console import shown_on
    from dfindex.cli.tables.findings import _shown

    monkeypatch.setenv("COLUMNS", "40")
    monkeypatch.setenv("FORCE_COLOR", "1")
    console = shown_on()
    with console.capture() as captured:
        _shown(console, Text("altered copy of "), "\u5f71" * 30 + "/\u56fe.jpg")
    (line,) = re.sub(r"\x1b\[[0-9;]*m", "", captured.get()).splitlines()
    assert line.startswith("altered copy of …\u5f71")
    assert line.endswith("\u5f71/\u56fe.jpg")
    assert 38 <= cell_len(line) <= 40
