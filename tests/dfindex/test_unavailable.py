"""What cannot be opened any more is counted and said, and never vouched for by another file."""

from __future__ import annotations

import base64
import io
import json
import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from PIL import Image

import dfindex
from tests.fake_encoder import NAME, MeanColour
from tests.indexer.test_video_build import colourful, patch
from tests.search.photographs import photograph, recompressed
from tests.videos import clip, steady

Run = Callable[..., Result]
COPIES = ("exact", "copy", "altered_copy")


@pytest.fixture
def corpus(answered: Run, tmp_path: Path) -> Path:
    """Index a photograph under two names, another, and keep a copy of the first as the query."""
    root = tmp_path / "corpus"
    root.mkdir()
    photograph("shoes", 3).save(root / "a.bmp")
    shutil.copy(root / "a.bmp", root / "b.bmp")
    photograph("hat", 0).save(root / "other.png")
    recompressed(photograph("shoes", 3), 60).save(tmp_path / "query.jpg")
    answered("build", root, "--encoder", NAME, "--workers", 1)
    return root


def exchange(path: Path, image: Image.Image) -> None:
    """Put another picture of as many bytes there, at the same time of change."""
    before = path.stat()
    image.save(path)
    assert path.stat().st_size == before.st_size
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def searched(answered: Run, query: object, *more: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the answer, and the hit that shows the photograph."""
    answer = json.loads(answered("search", query, "--json", *more).stdout)
    hit = next(one for one in answer["hits"] if one["sample"]["path"].endswith((".bmp", ".mp4")))
    return answer, hit


def test_the_second_path_vouches_where_the_first_is_gone(answered: Run, corpus: Path) -> None:
    (corpus / "a.bmp").unlink()
    answer, hit = searched(answered, "query.jpg")
    assert hit["verdict"] == "copy"
    assert (hit["sample"]["available"], hit["sample"]["absence"]) == (True, None)
    assert answer["unavailable"] == 0


def test_where_all_paths_are_gone_nothing_is_a_copy_and_it_is_said(
    answered: Run, corpus: Path, tmp_path: Path
) -> None:
    for name in ("a.bmp", "b.bmp"):
        (corpus / name).unlink()
    answer, hit = searched(answered, "query.jpg", "--report", "page.html")
    assert hit["verdict"] in ("similar", "unrelated")
    assert (hit["sample"]["available"], hit["sample"]["absence"]) == (False, "gone")
    assert answer["unavailable"] == 1
    words = "its file could not be opened: gone"
    assert words in answered("search", "query.jpg", "--all").stdout
    page = (tmp_path / "page.html").read_text()
    assert words in page
    for said in (page, " ".join(answered("search", "query.jpg").stdout.split())):
        assert "The file of 1 candidate could not be opened as indexed" in said


@pytest.mark.parametrize("verify", ["--verify", "--no-verify"])
def test_another_picture_at_the_path_vouches_for_nothing(
    answered: Run, corpus: Path, verify: str
) -> None:
    """Not even the very picture that is searched for."""
    twin = recompressed(photograph("shoes", 3), 60)
    for name in ("a.bmp", "b.bmp"):
        exchange(corpus / name, twin)
        if verify == "--no-verify":  # whose files are only looked at by size and time
            os.utime(corpus / name, (1, 1))
    answer, hit = searched(answered, "query.jpg", verify)
    assert hit["verdict"] not in COPIES
    assert (hit["sample"]["available"], hit["sample"]["absence"]) == (False, "changed")
    assert answer["unavailable"] == 1


def test_a_search_by_id_reads_no_other_picture(answered: Run, corpus: Path) -> None:
    answer, hit = searched(answered, "query.jpg")
    id_ = hit["sample"]["id"]
    before, own = searched(answered, id_)
    assert before["query"]["available"] is True
    assert own["verdict"] == "exact"
    for name in ("a.bmp", "b.bmp"):
        exchange(corpus / name, photograph("hat", 0).resize(photograph("shoes", 3).size))
    after, own = searched(answered, id_)
    assert after["query"] == {**before["query"], "available": False}
    assert [one["score"] for one in after["hits"]] == pytest.approx(
        [one["score"] for one in before["hits"]], abs=2e-3
    )
    assert all(one["match"] is None for one in after["hits"])
    assert own["sample"]["id"] == id_
    said = " ".join(answered("search", id_).stdout.split())
    assert "it was searched for by its stored vector, and no pixels were compared" in said


@pytest.mark.slow
def test_a_report_shows_files_whose_names_are_no_text(answered: Run, tmp_path: Path) -> None:
    root = os.fsencode(tmp_path / "names")
    Path(os.fsdecode(root)).mkdir()
    for name, folder in ((b"/caf\xe9.png", "shoes"), (b"/\xff\xfe.png", "hat")):
        photograph(folder, 3).save(tmp_path / "one.png")
        (tmp_path / "one.png").rename(os.fsdecode(root + name))
    recompressed(photograph("shoes", 3), 60).save(tmp_path / "query.jpg")
    answered("build", "names", "--encoder", NAME, "--workers", 1)
    answer = json.loads(answered("search", "query.jpg", "--json", "--report", "page.html").stdout)
    assert answer["hits"][0]["verdict"] == "copy"
    page = (tmp_path / "page.html").read_text()
    assert "the file is gone" not in page
    assert page.count("data:image/jpeg;base64,") == 1 + 2 * 2 + 1
    shutil.copy("query.jpg", tmp_path / "names" / "copy.jpg")
    answered("build", "names", "--encoder", NAME, "--workers", 1)
    answered("duplicates", "--report", "duplicates.html")
    groups = (tmp_path / "duplicates.html").read_text()
    assert "the file is gone" not in groups
    assert groups.count("data:image/jpeg;base64,") == 2


@pytest.mark.slow
def test_duplicates_say_which_files_are_gone(answered: Run, corpus: Path, tmp_path: Path) -> None:
    shutil.copy("query.jpg", corpus / "copy.jpg")
    answered("build", corpus, "--encoder", NAME, "--workers", 1)
    whole = json.loads(answered("duplicates", "--json").stdout)
    assert (len(whole["groups"][0]["members"]), whole["unavailable"]) == (3, 0)
    (corpus / "b.bmp").unlink()
    found = json.loads(answered("duplicates", "--json").stdout)
    members = {Path(one["sample"]["path"]).name: one for one in found["groups"][0]["members"]}
    assert {name: one["sample"]["absence"] for name, one in members.items()} == {
        "a.bmp": None,
        "b.bmp": "gone",
        "copy.jpg": None,
    }
    assert found["unavailable"] == 1
    exchange(corpus / "a.bmp", recompressed(photograph("shoes", 3), 60))
    found = json.loads(answered("duplicates", "--json", "--report", "page.html").stdout)
    verdicts = {
        Path(one["sample"]["path"]).name: one["verdict"]
        for group in found["groups"]
        for one in group["members"]
    }
    assert "copy.jpg" not in verdicts  # what its pixels were compared with is not there any more
    assert found["unavailable"] == 2
    table = " ".join(answered("duplicates").stdout.split())
    assert "The files of 2 candidates could not be opened as indexed" in table
    assert "its file could not be opened: gone" in table
    assert "its file could not be opened: gone" in (tmp_path / "page.html").read_text()


@pytest.mark.slow
def test_of_films_it_is_said_too(answered: Run, tmp_path: Path) -> None:
    root = tmp_path / "films"
    root.mkdir()
    for name, seed in (("a", 1), ("b", 2)):
        colourful(root / f"{name}.mp4", seed=seed)
    clip(tmp_path / "query.mp4", steady(50), draw=lambda number: patch(1000 + (20 + number) // 4))
    with dfindex.build([root], index=tmp_path / "i", encoder=NAME, workers=1) as index:
        before = index.search(tmp_path / "query.mp4", encoder=MeanColour())
        frame = before.hits[0].sample
        assert (Path(frame.path).name, before.unavailable) == ("a.mp4", 0)
        shutil.copy(root / "b.mp4", root / "a.mp4")
        after = index.search(tmp_path / "query.mp4", encoder=MeanColour())
        hit = next(one for one in after.hits if one.sample.sha256 == frame.sha256)
        assert hit.verdict not in COPIES
        assert (hit.sample.available, hit.sample.absence) == (False, "changed")
        assert after.unavailable == 1
        stored = index.search(str(frame.id), encoder=MeanColour())
        assert stored.query.available is False
        assert stored.query.sha256 == frame.sha256
        assert stored.hits[0].sample.sha256 == frame.sha256
        assert all(one.match is None for one in stored.hits)


@pytest.mark.slow
def test_a_film_is_drawn_whatever_it_is_called(answered: Run, tmp_path: Path) -> None:
    root = tmp_path / "films"
    root.mkdir()
    for name, seed in (("a", 1), ("b", 1)):
        colourful(root / f"{name}.mp4", seed=seed)
    with (root / "b.mp4").open("ab") as file:
        file.write(b"\0" * 8)  # other bytes, the same film
    (root / "a.mp4").rename(os.fsdecode(os.fsencode(root) + b"/caf\xe9.mp4"))
    with dfindex.build([root], index=tmp_path / ".dfindex", encoder=NAME, workers=1) as index:
        samples = index.embeddings()[1]
    frame = next(one for one in samples if "caf" in one.path)
    answered("search", frame.id, "--report", "page.html")
    page = (tmp_path / "page.html").read_text()
    strips = re.findall(r"data:image/jpeg;base64,([A-Za-z0-9+/=]+)", page)
    sizes = [Image.open(io.BytesIO(base64.b64decode(one))).height for one in strips]
    assert max(sizes) > 90 + 2 * 100  # the curve, and frames of both films
