"""The commands print what the interface promises, and exit as it says."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from click.testing import CliRunner, Result

from dfindex.cli import main
from indexer.store.writer import IndexWriter
from tests.checkout import ROOT
from tests.dfindex import schemas
from tests.fake_encoder import NAME
from tests.marks import mostly_slow
from tests.pictures import corpus, picture

Run = Callable[..., Result]


@pytest.fixture
def built(run: Run, tmp_path: Path) -> Path:
    """Index a corpus of 12 pictures, a text file and an empty file in ./.dfindex."""
    root = tmp_path / "corpus"
    corpus(root, 12)
    (root / "notes.txt").write_text("not a picture")
    (root / "empty.jpg").touch()
    result = run("build", root, "--encoder", NAME, "--workers", 1)
    assert result.exit_code == 0, result.output
    return root


def parsed(result: Result) -> Any:
    assert result.stderr == ""
    return json.loads(result.stdout)


def test_build_says_what_became_of_every_file(run: Run, built: Path) -> None:
    result = run("build", built, "--encoder", NAME, "--json")
    report = parsed(result)
    assert result.exit_code == 0
    assert (report["seen"], report["unchanged"], report["embedded"]) == (14, 14, 0)
    assert report["failed_in_all"] == 2


def test_strict_exits_with_4_where_files_failed(run: Run, built: Path) -> None:
    assert run("build", built, "--encoder", NAME, "--strict").exit_code == 4
    for name in ("notes.txt", "empty.jpg"):
        (built / name).unlink()
    assert run("build", built, "--encoder", NAME, "--strict", "--prune").exit_code == 0


def test_status(run: Run, built: Path) -> None:
    status = parsed(run("status", "--json"))
    jsonschema.validate(status, schemas.STATUS)
    assert status["media"] == {
        "seen": 14,
        "indexed": 12,
        "failed": 2,
        "removed": 0,
        "missing": 0,
    }
    assert status["samples"] == {"image": 12, "frame": 0, "face": 0}
    assert status["spaces"][0]["ann"] == {"kind": "flat", "rows": 12, "recall_at_10": 1.0}
    assert "14 seen = 12 indexed + 2 failed" in run("status").output


def test_failures(run: Run, built: Path) -> None:
    rows = parsed(run("failures", "--json"))
    jsonschema.validate(rows, schemas.FAILURES)
    assert {Path(row["path"]).name: row["reason"] for row in rows} == {
        "notes.txt": "not_media",
        "empty.jpg": "empty",
    }


def test_an_exact_copy_is_first(run: Run, built: Path, tmp_path: Path) -> None:
    copy = tmp_path / "query.png"
    shutil.copy(built / "00004.png", copy)
    result = run("search", copy, "--json", "-k", 5, "--no-verify")
    answer = parsed(result)
    jsonschema.validate(answer, schemas.SEARCH)
    first = answer["hits"][0]
    assert result.exit_code == 0
    assert (first["rank"], first["verdict"]) == (1, "exact")
    assert first["score"] >= 0.999
    assert first["sample"]["path"] == str(built / "00004.png")
    assert len(answer["hits"]) == 5
    assert answer["completeness"] == {"seen": 14, "indexed": 12, "failed": 2}
    scores = [hit["score"] for hit in answer["hits"]]
    assert scores == sorted(scores, reverse=True)


def test_a_sample_is_found_by_its_id(run: Run, built: Path) -> None:
    first = parsed(run("search", built / "00007.png", "--json"))["hits"][0]["sample"]
    again = parsed(run("search", first["id"], "--json"))["hits"][0]["sample"]
    assert again == first


def test_search_exits_with_1_where_nothing_reaches_the_threshold(run: Run, built: Path) -> None:
    result = run("search", built / "00004.png", "--min-score", 1.1, "--json")
    assert result.exit_code == 1
    assert parsed(result)["hits"] == []


def test_where_restricts_before_the_nearest_are_chosen(run: Run, built: Path) -> None:
    result = run("search", built / "00004.png", "-k", 3, "--where", "path like '%/0001%'", "--json")
    paths = [Path(hit["sample"]["path"]).name for hit in parsed(result)["hits"]]
    assert sorted(paths) == ["00010.png", "00011.png"]


def test_max_fpr_needs_enough_samples(run: Run, built: Path) -> None:
    result = run("search", built / "00004.png", "--max-fpr", 0.001)
    assert result.exit_code == 2
    assert "at least 1000 samples" in result.stderr
    assert run("search", built / "00004.png", "--max-fpr", 5e-324).exit_code == 2
    assert run("search", built / "00004.png", "--max-fpr", 0.5, "--json").exit_code == 0


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    mostly_slow(
        [
            (["search", "nowhere.jpg"], 3, "nowhere.jpg"),
            (["search", "corpus/notes.txt"], 3, ""),
            (["search", "corpus/00001.png", "--where", "colour = 1"], 2, "not allowed"),
            (["search", "corpus/00001.png", "--where", "width = 'wide'"], 2, "does not fit"),
            (["search", "corpus/00001.png", "--space", "other"], 2, "there are: mean-colour"),
            (["search", "corpus/00001.png", "-k", "0"], 2, "0"),
            (["search", "corpus/00001.png", "--max-fpr", "2"], 2, "at most 1"),
            (["search", "corpus/00001.png", "--nonsense"], 2, "nonsense"),
            (["search"], 2, "IMAGE|VIDEO|ID"),
            (["nonsense"], 2, "nonsense"),
            (["build", "nowhere"], 2, "nowhere"),
            (["build", "corpus", "--encoder", "nosuch"], 3, "nosuch"),
            (["label", "set", "corpus/00001.png", "maybe"], 2, "real or fake"),
            (["label", "import", "nowhere.csv"], 2, "nowhere.csv"),
            (["--index", "empty", "status"], 3, "no index at empty"),
            (["--index", "empty", "search", "corpus/00001.png"], 3, "no index at empty"),
            (["--index", "empty", "doctor"], 3, "no index at empty"),
            (["--index", "empty", "compact"], 3, "no index at empty"),
        ],
        quick=8,
    ),
)
def test_errors_are_one_line_and_leave_nothing(
    run: Run, built: Path, arguments: list[str], code: int, message: str
) -> None:
    result = run(*arguments)
    assert result.exit_code == code, result.output
    assert message in result.stderr
    assert "Traceback" not in result.output
    if code == 3:
        assert len(result.stderr.splitlines()) == 1
        assert result.stderr.startswith("dfindex: ")
    assert not Path("empty").exists()


def test_the_index_is_named_before_or_after_the_command_or_by_environment(
    run: Run, built: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Path(".dfindex").rename("elsewhere")
    assert run("status").exit_code == 3
    assert run("--index", "elsewhere", "status").exit_code == 0
    assert run("status", "--index", "elsewhere").exit_code == 0
    monkeypatch.setenv("DFINDEX_INDEX", "elsewhere")
    assert run("status").exit_code == 0
    assert run("status", "--index", "nowhere").exit_code == 3


def test_remove_compact_and_doctor(run: Run, built: Path) -> None:
    removed = parsed(run("remove", built / "00001.png", "nonsense", "--json"))
    assert removed == {"removed": 1, "unknown": ["nonsense"]}
    assert run("remove", "nonsense").exit_code == 1
    assert parsed(run("status", "--json"))["media"]["removed"] == 1
    compaction = parsed(run("compact", "--json"))
    assert compaction["rows_dropped"] == 1
    examination = parsed(run("doctor", "--json"))
    assert examination["findings"] == []
    assert run("doctor").exit_code == 0
    assert run("remove", built).exit_code == 0
    assert parsed(run("status", "--json"))["samples"]["image"] == 0
    assert run("search", built / "00002.png").exit_code == 1


def test_a_folder_is_removed_without_its_namesakes(run: Run, tmp_path: Path) -> None:
    corpus(tmp_path / "c" / "a", 2)
    corpus(tmp_path / "c" / "ab", 3, first_seed=50)
    run("build", "c", "--encoder", NAME, "--workers", 1)
    assert parsed(run("remove", "c/a", "--json"))["removed"] == 2
    assert parsed(run("status", "--json"))["media"]["seen"] == 3


def test_labels_are_set_imported_listed_and_searched(run: Run, built: Path) -> None:
    assert run("label", "set", built / "00001.png", "FAKE", "--generator", "sd1.5").exit_code == 0
    csv = built / "labels.csv"
    csv.write_text("path,label\n00002.png,real\ngone.png,fake\n00002.png,fake\n")
    imported = parsed(run("label", "import", csv, "--json"))
    assert imported["labelled"] == 1
    assert len(imported["unmatched"]) == len(imported["conflicts"]) == 1
    listed = parsed(run("label", "list", "--json"))
    assert [(Path(row["path"]).name, row["label"], row["generator"]) for row in listed] == [
        ("00001.png", "fake", "sd1.5"),
        ("00002.png", "fake", None),
    ]
    found = parsed(
        run("search", built / "00009.png", "--where", "generator = 'sd1.5'", "--json", "-k", 4)
    )
    assert [hit["sample"]["label"] for hit in found["hits"]] == ["fake"]


def test_another_writer_is_an_error_but_no_bar_to_reading(run: Run, built: Path) -> None:
    with IndexWriter(Path(".dfindex")):
        result = run("compact")
        assert result.exit_code == 3
        assert f"process {os.getpid()}" in result.stderr
        assert run("search", built / "00002.png").exit_code == 0
        assert run("status").exit_code == 0


def test_the_report_is_one_page_that_needs_nothing_else(run: Run, built: Path) -> None:
    name = built / "x<b>&'.png"
    picture(500).save(name)
    run("build", built, "--encoder", NAME, "--workers", 1)
    result = run("search", name, "--report", "page.html", "-k", 4, "--no-verify")
    assert result.exit_code == 0
    page = Path("page.html").read_text()
    assert "x&lt;b&gt;&amp;&#39;.png" in page
    assert "<b>&" not in page
    assert "exact copy, byte for byte" in page
    assert page.count("data:image/jpeg;base64,") == 1 + 2 * 4
    assert "http" not in page.replace('http-equiv="Content-Security-Policy"', "")
    assert "13 of 15 files" in page


def test_a_report_shows_what_is_gone(run: Run, built: Path, tmp_path: Path) -> None:
    shutil.copy(built / "00003.png", tmp_path / "query.png")
    (built / "00003.png").unlink()
    run("search", "query.png", "--report", "page.html", "-k", 1)
    assert "the file is gone or has changed since" in Path("page.html").read_text()


def test_a_report_into_nowhere_is_an_error(run: Run, built: Path) -> None:
    Path("file").touch()
    result = run("search", built / "00003.png", "--report", "file/page.html")
    assert result.exit_code == 3
    assert "could not write" in result.stderr


def test_an_interrupt_exits_with_130(
    run: Run, built: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("dfindex.building.build_report", interrupted)
    result = run("build", built, "--encoder", NAME)
    assert result.exit_code == 130
    assert "interrupted" in result.stderr
    assert run("status").exit_code == 0


def test_every_command_is_in_the_readme(run: Run) -> None:
    from dfindex.cli.main import COMMANDS

    readme = (ROOT / "README.md").read_text()
    for command in COMMANDS:
        assert f"`{command}" in readme or f"dfindex {command}" in readme, command
        assert run(command, "--help").exit_code == 0


def test_models_are_listed_and_shown(run: Run) -> None:
    listed = {entry["name"]: entry for entry in parsed(run("models", "list", "--json"))}
    assert listed["commfor"]["head"] == "sigmoid1"
    shown = parsed(run("models", "show", "commfor", "--json"))
    assert shown["revision"] == "ac6ee457bea904a373065754107451793b56db00"
    assert "commfor" in run("models", "list").output
    assert run("models", "show", "nosuch").exit_code == 3


COMMANDS = {
    "": ("build", "status", "failures", "search", "compare", "decide", "duplicates", "remove")
    + ("compact", "detect", "explain", "map", "serve", "doctor"),
    "label": ("import", "set", "list"),
    "probe": ("train", "evaluate", "episodes", "apply", "suggest", "list", "show"),
    "models": ("list", "show", "verify", "fetch"),
    "bench": ("copy", "search", "build", "probe"),
    "export": ("parquet", "vectors"),
}


@pytest.mark.parametrize("group", COMMANDS)
def test_every_command_people_are_told_of_is_there(group: str) -> None:
    for command in COMMANDS[group]:
        result = CliRunner().invoke(main, [*group.split(), command, "--help"])
        assert result.exit_code == 0, result.output
