"""Near-duplicates of real photographs are grouped, and what people decide is respected."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from click.testing import CliRunner, Result
from PIL import Image, ImageOps

import dfindex
from dfindex.cli import main
from tests.checkout import PHOTOS
from tests.dfindex import schemas


def run(index: Path, *arguments: object) -> Result:
    return CliRunner().invoke(main, [*map(str, arguments), "--index", str(index)])


def groups(index: Path, *options: object) -> list[set[str]]:
    """Return the names in each group, and check the document against its schema."""
    result = run(index, "duplicates", "--json", *options)
    answer = json.loads(result.stdout)
    jsonschema.validate(answer, schemas.DUPLICATES)
    assert result.exit_code == (0 if answer["groups"] else 1)
    for group in answer["groups"]:
        assert group["members"][0]["sample"] == group["representative"]
    return [
        {Path(one["sample"]["path"]).name for one in group["members"]} for group in found(answer)
    ]


def found(answer: dict[str, Any]) -> list[dict[str, Any]]:
    listed: list[dict[str, Any]] = answer["groups"]
    return listed


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write three families of copies among photographs that have none."""
    folder = tmp_path_factory.mktemp("corpus")
    paths = sorted(PHOTOS.glob("*/*.jpg"))[:240:20]
    pictures = [Image.open(path).convert("RGB") for path in paths]
    for number, path in enumerate(paths):
        (folder / f"{number}.jpg").write_bytes(path.read_bytes())
    first, second, third = pictures[0], pictures[4], pictures[8]
    (folder / "0-again.jpg").write_bytes(paths[0].read_bytes())
    first.resize((first.width // 2, first.height // 2)).save(folder / "0-small.jpg", quality=60)
    width, height = second.size
    part = second.crop((width // 5, height // 5, width, height))
    part.resize((2 * part.width, 2 * part.height)).save(folder / "4-part.jpg", quality=80)
    ImageOps.mirror(third).save(folder / "8-mirrored.jpg", quality=30)
    return folder


@pytest.fixture
def index(corpus: Path, tmp_path: Path) -> Path:
    dfindex.build([corpus], index=tmp_path / "index", workers=1).close()
    return tmp_path / "index"


FAMILIES = [
    {"0.jpg", "0-again.jpg", "0-small.jpg"},
    {"4.jpg", "4-part.jpg"},
    {"8.jpg", "8-mirrored.jpg"},
]


def test_copies_are_grouped_behind_the_widest_and_largest(index: Path, tmp_path: Path) -> None:
    report = tmp_path / "report.html"
    assert sorted(groups(index, "--report", report), key=sorted) == sorted(FAMILIES, key=sorted)
    assert "3 groups" in report.read_text()
    with dfindex.open(index) as opened:
        grouped = opened.duplicates().groups
        names = {Path(group.representative.path).name: group for group in grouped}
    # the enlarged part has more pixels, but shows less
    assert {"4.jpg", "8.jpg"} < names.keys() and names.keys() & {"0.jpg", "0-again.jpg"}
    verdicts = [
        (Path(one.sample.path).name, one.verdict.value)
        for group in grouped
        for one in group.members[1:]
    ]
    assert ("8-mirrored.jpg", "copy") in verdicts
    assert ("0-small.jpg", "copy") in verdicts
    assert {name for name, verdict in verdicts if verdict == "exact"} <= {"0.jpg", "0-again.jpg"}


@pytest.mark.slow
def test_what_is_decided_stands_above_the_pixels(index: Path, corpus: Path) -> None:
    one, other = corpus / "4.jpg", corpus / "4-part.jpg"
    assert run(index, "decide", one, other, "different").stdout == "1 pair is different.\n"
    assert {"4.jpg", "4-part.jpg"} not in groups(index)
    hits = json.loads(run(index, "search", other, "--json").stdout)["hits"]
    about = next(hit for hit in hits if hit["sample"]["path"] == str(one))
    assert (about["decision"], about["verdict"], about["confidence"]) == (
        "different",
        "unrelated",
        0,
    )
    dfindex.build([corpus], index=index, workers=1).close()
    assert {"4.jpg", "4-part.jpg"} not in groups(index)
    listed = json.loads(run(index, "decide", "--json").stdout)
    assert [entry["decision"] for entry in listed] == ["different"]
    assert run(index, "decide", one, other, "same").exit_code == 0
    assert {"4.jpg", "4-part.jpg"} in groups(index)
    assert len(json.loads(run(index, "decide", "--json").stdout)) == 1


@pytest.mark.slow
def test_pictures_called_the_same_share_a_group_and_a_group_never_holds_a_denied_pair(
    index: Path, corpus: Path
) -> None:
    assert run(index, "decide", corpus / "1.jpg", corpus / "2.jpg", "same").exit_code == 0
    joined = groups(index)
    assert {"1.jpg", "2.jpg"} in joined
    names = ("0.jpg", "4.jpg", "8.jpg")
    assert run(index, "decide", *(corpus / name for name in names), "different").exit_code == 0
    assert run(index, "decide", corpus / "0.jpg", corpus / "1.jpg", "same").exit_code == 0
    assert run(index, "decide", corpus / "2.jpg", corpus / "4.jpg", "same").exit_code == 0
    for group in groups(index):
        assert len(group & set(names)) <= 1, group


def test_only_what_meets_the_filter_is_grouped(index: Path) -> None:
    assert groups(index, "--where", "path like '%/8%'") == [{"8.jpg", "8-mirrored.jpg"}]
    nothing = run(index, "duplicates", "--where", "path like '%none%'")
    assert nothing.exit_code == 1
    assert "0 groups" in nothing.stdout


def test_wrong_decisions_say_what_was_expected(index: Path, corpus: Path) -> None:
    once = run(index, "decide", corpus / "0.jpg", "same")
    assert once.exit_code == 2 and "two pictures or more" in once.stderr
    twice = run(index, "decide", corpus / "0.jpg", corpus / "0-again.jpg", "same")
    assert twice.exit_code == 2 and "one content" in twice.stderr
    word = run(index, "decide", corpus / "0.jpg", corpus / "1.jpg", "alike")
    assert word.exit_code == 2 and "same or different" in word.stderr
    name = run(index, "decide", "nobody.jpg", corpus / "1.jpg", "same")
    assert name.exit_code == 2 and "nobody.jpg" in name.stderr
    assert run(index, "decide").exit_code == 1
