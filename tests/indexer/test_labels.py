"""Label files as spreadsheets of all makes write them, and names as other systems do."""

from __future__ import annotations

import json
import shutil
import unicodedata
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from dfindex.cli import main
from indexer.errors import UsageError
from indexer.labels import read_labels
from tests.fake_encoder import NAME
from tests.pictures import corpus, picture

COMPOSED = "café/Überraschung.png"
DECOMPOSED = unicodedata.normalize("NFD", COMPOSED)
TABLE = [
    ["path", "label", "generator", "source", "group"],
    ["real/a.png", "real", "", "camera, old; kept\there", "1"],
    [COMPOSED, "fake", "sd1.5", 'the "lab"', ""],
]


def quoted(rows: list[list[str]], delimiter: str, end: str) -> str:
    """Write a table with every field in quotes."""
    cells = [['"' + field.replace('"', '""') + '"' for field in row] for row in rows]
    return "".join(delimiter.join(row) + end for row in cells)


def written(path: Path, text: str, encoding: str = "utf-8") -> Path:
    marks = {"utf-16-le": b"\xff\xfe", "utf-16-be": b"\xfe\xff"}
    path.write_bytes(marks.get(encoding, b"") + text.encode(encoding))
    return path


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16-le", "utf-16-be", "utf-32"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_a_table_says_the_same_in_every_form(
    tmp_path: Path, delimiter: str, encoding: str, end: str
) -> None:
    plain = read_labels(written(tmp_path / "plain.csv", quoted(TABLE, ",", "\n")))
    assert [(row.line, row.label.label, row.label.source) for row in plain] == [
        (2, "real", "camera, old; kept\there"),
        (3, "fake", 'the "lab"'),
    ]
    assert [row.name for row in plain] == [str(tmp_path / row[0]) for row in TABLE[1:]]
    other = written(tmp_path / "other.csv", quoted(TABLE, delimiter, end), encoding)
    assert read_labels(other) == plain


@pytest.mark.parametrize(
    "text",
    [
        "label,path\nreal,a.png\n",
        "\n\n LABEL ; Path ;notes\nREAL; a.png ;what, ever\n;;\n\n",
        "sep=;\npath;label\na.png;real\n",
        "SEP=|\r\npath|label\r\na.png|real\r\n",
        "path,label,,\na.png,real,,\n,,,\n",
        "path\tlabel\na.png\tReal",
        'path, label\n"a.png", "real"\n',
    ],
)
def test_columns_stand_in_any_order_and_blank_lines_anywhere(tmp_path: Path, text: str) -> None:
    (row,) = read_labels(written(tmp_path / "labels.csv", text))
    assert (row.name, row.label.label) == (str(tmp_path / "a.png"), "real")


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"path,label\na.png,real\nb.png,maybe\n", "line 3: expected the label real or fake"),
        (b"\n\npath;label\na.png;real\n\nb.png\n", "line 6: expected 2 fields"),
        (b"path,label\na.png,real,more\n", "line 2: expected 2 fields"),
        (b'path,label\n"a.png,real\nb.png,fake\n', "line 3: expected CSV, but unexpected end"),
        (b"path,label\n,real\n", "line 2: the path is empty"),
        (b"file,label\na.png,real\n", "expected a first line naming the columns path,label"),
        (b"path,label,path\na.png,real,b.png\n", "each once"),
        (b"", "expected a first line naming the columns path,label[,generator]"),
        (b"path,label\ncaf\xe9.png,real\n", "not CSV in UTF-8 or UTF-16"),
        (b"\xff\xfepat", "not CSV in UTF-8 or UTF-16"),
    ],
)
def test_what_is_no_such_table_is_refused_with_its_line(
    tmp_path: Path, data: bytes, words: str
) -> None:
    path = tmp_path / "labels.csv"
    path.write_bytes(data)
    with pytest.raises(UsageError) as raised:
        read_labels(path)
    assert words in str(raised.value)


@pytest.fixture(scope="module")
def case(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Index pictures with names of several systems; two folders end alike."""
    root = tmp_path_factory.mktemp("case")
    names = ["real/a.png", "fake/a.png", "x/twin/b.png", "y/twin/b.png", "alone/c.png"]
    names += [DECOMPOSED, unicodedata.normalize("NFC", "naïve.png"), "back\\slash.png"]
    for seed, name in enumerate(names):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        picture(seed).save(root / name)
    shutil.copy(root / "alone/c.png", root / "alone/copy.png")
    result = run(root, "build", root, "--encoder", NAME, "--workers", 1)
    assert result.exit_code == 0, result.output
    return root


def run(root: Path, *arguments: object) -> Result:
    return CliRunner().invoke(main, ["--index", str(root / "index"), *map(str, arguments)])


def imported(root: Path, *paths: str, labels: tuple[str, ...] = ("real",)) -> dict[str, Any]:
    lines = [f'"{path}";{labels[at % len(labels)]}' for at, path in enumerate(paths)]
    csv = written(root / "labels.csv", "\r\n".join(["path;label", *lines]), "utf-16-le")
    result = run(root, "label", "import", csv, "--json")
    value: dict[str, Any] = json.loads(result.stdout)
    assert result.exit_code == (0 if value["labelled"] else 1)
    return value


@pytest.mark.parametrize(
    "path",
    [
        "real\\a.png",
        "x\\..\\real\\a.png",
        "back\\slash.png",
        COMPOSED,
        DECOMPOSED,
        COMPOSED.replace("/", "\\"),
        unicodedata.normalize("NFD", "naïve.png"),
    ],
)
def test_a_file_is_known_by_the_name_another_system_gives_it(case: Path, path: str) -> None:
    assert imported(case, path) == {
        "labelled": 1,
        "unmatched": [],
        "conflicts": [],
        "matched_by_end": [],
    }


def test_a_path_of_a_windows_machine_is_matched_by_its_end_and_said_to_be(case: Path) -> None:
    given = ["C:\\cases\\17\\real\\a.png", "\\\\server\\share\\alone\\c.png", "d:/up/y/twin/b.png"]
    value = imported(case, *given)
    assert value["labelled"] == 3
    assert value["matched_by_end"] == [
        f"line {line}: {path} is {case}/{path.replace(chr(92), '/').split('/', start)[-1]}"
        for line, path, start in zip((2, 3, 4), given, (3, 4, 2), strict=True)
    ]
    listed = run(case, "label", "import", case / "labels.csv").stdout
    assert "3 paths of another machine were matched by how they end" in listed


@pytest.mark.parametrize(
    "path", ["C:\\elsewhere\\a.png", "C:\\twin\\b.png", "C:\\c.png", "C:\\real\\nothing.png"]
)
def test_an_end_that_fits_none_or_several_matches_none(case: Path, path: str) -> None:
    value = imported(case, path)
    assert (value["labelled"], value["unmatched"]) == (0, [f"line 2: {path}"])


def test_nothing_matched_is_said_and_exits_with_1(case: Path) -> None:
    csv = written(case / "none.csv", "path,label\ngone.png,real\n")
    result = run(case, "label", "import", csv)
    assert result.exit_code == 1
    assert "No line names a file of the index." in result.stdout
    assert run(case, "label", "import", written(csv, "path,label\n")).exit_code == 1


def test_a_build_reports_of_labels_what_an_import_does(case: Path, tmp_path: Path) -> None:
    corpus(tmp_path / "corpus", 2)
    lines = ["path,label", "00000.png,real", "gone.png,real", "00000.png,fake", "00001.png,real"]
    csv = written(tmp_path / "corpus" / "labels.csv", "\n".join(lines))
    build = ["build", tmp_path / "corpus", "--encoder", NAME, "--workers", 1, "--labels", csv]
    report = json.loads(run(tmp_path, *build, "--json").stdout)
    value = json.loads(run(tmp_path, "label", "import", csv, "--json").stdout)
    assert report["labelled"] == value["labelled"] == 2
    assert [line.split(":")[0] for line in value["conflicts"]] == ["line 4"]
    for name in ("unmatched", "conflicts", "matched_by_end"):
        assert report[f"labels_{name}"] == value[name]
    shown = run(tmp_path, *build).stdout
    assert "1 lines of labels contradict an earlier one" in shown
    assert "1 lines of labels name nothing in the index" in shown


@pytest.mark.parametrize(
    "name", ["=1+1", "+x", "-x", "@x", "\tx", "\rx", "'=x", "''@x", "plain", "'quoted", "a=b", ""]
)
def test_no_cell_is_a_formula_and_what_is_read_is_what_was_written(
    tmp_path: Path, name: str
) -> None:
    import csv

    from indexer.labels_csv import as_cell, read_table

    path = tmp_path / "table.csv"
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([["path", "label"], [as_cell(name), "real"]])
    cell = str(as_cell(name))
    assert not cell.startswith(("=", "+", "-", "@", "\t", "\r"))
    [row] = read_table(path, ["path", "label"], 2)
    assert row.fields["path"] == name
    assert as_cell(-0.5) == -0.5
