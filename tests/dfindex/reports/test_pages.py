"""Pages of one file are found, compared and shown as themselves, with their numbers."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import Result
from PIL import Image

import dfindex
from tests.checkout import shared_data
from tests.fake_encoder import NAME
from tests.marks import mostly_slow
from tests.search.photographs import photograph, recompressed

COPIES = ("exact", "copy", "altered_copy")
CASES = shared_data / "cases"
Run = Callable[..., Result]


def album(path: Path) -> None:
    """Write a TIFF whose second and third page are photographs."""
    pages = [Image.new("RGB", (300, 200), "white"), photograph("hat", 0), photograph("shoes", 3)]
    pages[0].save(path, save_all=True, append_images=pages[1:], compression="tiff_lzw")


def best(answered: Run, query: object, *more: str) -> dict[str, Any]:
    hits: list[dict[str, Any]] = json.loads(answered("search", query, "--json", *more).stdout)[
        "hits"
    ]
    return hits[0]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("seed", "folder", "page"), mostly_slow([(0, "hat", 2), (3, "shoes", 3)], quick=1)
)
def test_a_page_is_found_as_a_copy(
    answered: Run, tmp_path: Path, seed: int, folder: str, page: int
) -> None:
    (tmp_path / "corpus").mkdir()
    album(tmp_path / "corpus" / "album.tif")
    recompressed(photograph(folder, seed), 70).save(tmp_path / "query.jpg")
    answered("build", "corpus", "--encoder", NAME, "--workers", 1)
    hit = best(answered, "query.jpg", "--report", "page.html")
    assert (hit["verdict"], hit["sample"]["page"]) == ("copy", page)
    assert f"album.tif, page {page}" in answered("search", "query.jpg").stdout
    assert f"album.tif, page {page}," in (tmp_path / "page.html").read_text()
    again = best(answered, hit["sample"]["id"])
    assert (again["verdict"], again["sample"]["id"]) == ("exact", hit["sample"]["id"])


def test_a_page_shows_its_own_pixels(tmp_path: Path) -> None:
    album(tmp_path / "album.tif")
    with dfindex.build([tmp_path], index=tmp_path / "i", encoder=NAME, workers=1) as index:
        shown = {
            one.page: index.originals.open(one, at_least=300).image for one in index.embeddings()[1]
        }
    assert sorted(shown, key=str) == [1, 2, 3]
    assert np.array_equal(shown[2], photograph("hat", 0))
    assert np.array_equal(shown[3], photograph("shoes", 3))


@pytest.mark.slow
def test_the_picture_of_a_fax_is_found_on_its_second_page(answered: Run) -> None:
    if not CASES.is_dir():
        pytest.skip("the shared cases are not beside this checkout")
    answered("build", CASES / "fax_multipage.tif", "--encoder", NAME, "--workers", 1)
    hit = best(answered, CASES / "img_ref.png")
    assert (Path(hit["sample"]["path"]).name, hit["sample"]["page"]) == ("fax_multipage.tif", 2)
    assert hit["verdict"] in COPIES
    assert not re.search("at [0-9]", answered("search", CASES / "img_ref.png").stdout)
