"""A pair has one verdict, whoever asks, and every drawing is of that verdict."""

from __future__ import annotations

import base64
import io
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

import dfindex
from dfindex.cli import main
from dfindex.compare import compare, compare_files
from dfindex.drawing.comparison import CAPTION, MARGIN, PANEL
from dfindex.drawing.palette import ALTERED
from indexer.types import UInt8
from search.evidence import NEEDED_SIDE
from search.query import read_picture
from tests.checkout import shared_data
from tests.dfindex.test_verified_search import DATA, manifest
from tests.fake_encoder import NAME, MeanColour
from tests.marks import mostly_slow
from tests.search.photographs import photograph, recompressed

COPIES = ("exact", "copy", "altered_copy")


def run(*arguments: object) -> Any:
    result = CliRunner().invoke(main, [str(one) for one in arguments])
    assert result.exit_code in (0, 1), result.output
    return json.loads(result.stdout)


def pairs() -> list[Any]:
    """Return real edits with their originals; the quick suite tries some of each kind."""
    rows = manifest()
    edits = [(DATA / "manipulated" / row["file"], DATA / row["original"]) for row in rows]
    near = shared_data / "near_dup"
    edits += [
        (one, near / "bridge_edits/aaa-orig.jpg") for one in sorted(near.glob("bridge_edits/*.jpg"))
    ]
    return [
        pytest.param(*pair, id=pair[0].stem, marks=() if at % 5 == 0 else pytest.mark.slow)
        for at, pair in enumerate(edits)
        if pair[0] != pair[1]
    ]


@pytest.mark.parametrize(("edit", "original"), mostly_slow(pairs(), quick=3))
def test_search_compare_and_duplicates_agree(edit: Path, original: Path, tmp_path: Path) -> None:
    index = tmp_path / "index"
    dfindex.build([edit, original], index=index, encoder=NAME, workers=1).close()
    said = run("compare", edit, original, "--json")
    hits = run("search", edit, "--index", index, "--json")["hits"]
    hit = next(one for one in hits if one["sample"]["path"] == str(original))
    groups = run("duplicates", "--index", index, "--json")["groups"]
    members = [one for group in groups for one in group["members"]]
    verdicts = {one["sample"]["path"]: one["verdict"] for one in members}
    if said["verdict"] not in COPIES:
        assert hit["verdict"] not in COPIES
        assert verdicts == {}
        return
    assert hit["verdict"] == said["verdict"]
    match, same = hit["match"], said["match"]
    # products of matrices differ in their last bits with the number of threads, and rims by a pixel
    assert len(match["altered_boxes"]) == len(same["altered_boxes"])
    for box, again in zip(match["altered_boxes"], same["altered_boxes"], strict=True):
        assert box == pytest.approx(again, abs=1)
    assert match["altered_fraction"] == pytest.approx(same["altered_fraction"], abs=2e-3)
    np.testing.assert_allclose(match["transform"], same["transform"], rtol=1e-4, atol=0.05)
    if match["mirrored"] and not groups:
        return  # duplicates read keypoints one way round, and may miss a mirrored part
    first = next(one["representative"]["path"] for one in groups)
    assert verdicts[str(edit if first == str(original) else original)] == said["verdict"]


def grey(folder: str, place: int) -> Image.Image:
    return photograph(folder, place).convert("L").convert("RGB")


@pytest.fixture
def spliced(tmp_path: Path) -> tuple[Path, Path]:
    """Write a photograph three times as large as it is judged at, and a copy with two splices.

    Both are grey, so that what is red in a drawing was drawn.
    """
    image = grey("shoes", 3).resize((1800, 1800), Image.Resampling.LANCZOS)
    copy = image.copy()
    for place, seed in (((300, 1200), 1), ((1300, 200), 2)):
        copy.paste(grey("hat", seed).resize((260, 200)), place)
    (tmp_path / "corpus").mkdir()
    image.save(tmp_path / "corpus" / "original.jpg", quality=92)
    recompressed(copy, 85).save(tmp_path / "query.jpg", quality=92)
    return tmp_path / "query.jpg", tmp_path / "corpus" / "original.jpg"


def test_a_reports_overlay_marks_what_its_hit_says(
    spliced: tuple[Path, Path], tmp_path: Path
) -> None:
    query, original = spliced
    dfindex.build([original], index=tmp_path / "index", encoder=NAME, workers=1).close()
    page = tmp_path / "page.html"
    answer = run("search", query, "--index", tmp_path / "index", "--report", page, "--json")
    match = answer["hits"][0]["match"]
    assert len(match["altered_boxes"]) >= 2
    images = [Image.open(io.BytesIO(data)) for data in embedded(page)]
    overlay = next(image for image in images if image.width > 2 * PANEL)
    assert_outlined(np.asarray(overlay), match["altered_boxes"], (1800, 1800))


@pytest.mark.slow
def test_the_drawing_of_a_comparison_marks_what_it_says(
    spliced: tuple[Path, Path], tmp_path: Path
) -> None:
    out = tmp_path / "drawing.png"
    found = compare(*spliced, out=out)
    assert found.match is not None
    with Image.open(out) as drawing:
        boxes = [list(box) for box in found.match.altered_boxes]
        assert str(found.match.altered_boxes[0]) in found.description
        assert_outlined(np.asarray(drawing), boxes, (1800, 1800))


def assert_outlined(drawing: UInt8, boxes: list[list[int]], size: tuple[int, int]) -> None:
    """Expect red lines around each box, and none further inside the first picture."""
    factor = PANEL / max(size)
    red = np.abs(drawing.astype(int) - ALTERED).max(axis=2) < 70
    panel = red[CAPTION : CAPTION + PANEL, MARGIN : MARGIN + PANEL]
    allowed = np.zeros_like(panel)
    for x, y, width, height in boxes:
        left, top, right, bottom = (round(one * factor) for one in (x, y, x + width, y + height))
        for column in (left, right):
            near = panel[top:bottom, max(0, column - 4) : column + 5]
            assert near.any(axis=1).mean() > 0.7, (x, y, width, height)
        allowed[max(0, top - 5) : bottom + 6, max(0, left - 5) : right + 6] = True
    assert not (panel & ~allowed).any()


def embedded(page: Path) -> list[bytes]:
    found = re.findall(r"data:image/jpeg;base64,([A-Za-z0-9+/=]+)", page.read_text())
    return [base64.b64decode(one) for one in found]


def test_a_report_needs_no_file_again(spliced: tuple[Path, Path], tmp_path: Path) -> None:
    """What was compared is drawn, whatever became of the files since."""
    from dfindex.reports.search import render

    query, original = spliced
    with dfindex.build([original], index=tmp_path / "index", encoder=NAME, workers=1) as index:
        result = index.search(query)
        original.unlink()
        query.unlink()
        page = render(result, index.originals)
    assert "could not be opened" not in page
    assert page.count("data:image/jpeg;base64,") == 1 + 2 + 1


@pytest.mark.slow
def test_what_is_kept_of_a_search_is_small(spliced: tuple[Path, Path], tmp_path: Path) -> None:
    query, original = spliced
    with dfindex.build([original], index=tmp_path / "index", encoder=NAME, workers=1) as index:
        [kept] = index.search(query).evidence.values()
    assert max(kept.first.image.size) <= 640
    assert max(kept.second.image.size) <= 640
    assert kept.comparison.altered_mask is not None
    assert kept.comparison.altered_mask.shape[::-1] == kept.first.image.size
    full = compare_files(query, original)
    assert full.comparison.match is not None
    assert kept.comparison.match is not None
    assert full.comparison.match.altered_boxes == kept.comparison.match.altered_boxes
    assert full.comparison.altered_mask is not None
    share, small = full.comparison.altered_mask.mean(), kept.comparison.altered_mask.mean()
    assert small == pytest.approx(share, rel=0.1)


def test_json_holds_no_pictures(spliced: tuple[Path, Path], tmp_path: Path) -> None:
    query, original = spliced
    with dfindex.build([original], index=tmp_path / "index", encoder=NAME, workers=1) as index:
        told = index.search(query).to_json()
    assert set(told) == {
        *("query", "index", "completeness", "hits", "unavailable", "timing_ms"),
    }
    json.dumps(told)


def test_what_is_verified_is_what_was_embedded(tmp_path: Path) -> None:
    photograph("shoes", 3).save(tmp_path / "a.png")
    picture = read_picture(tmp_path / "a.png", MeanColour())
    assert picture.scales.at_least(NEEDED_SIDE) is picture.decoded
