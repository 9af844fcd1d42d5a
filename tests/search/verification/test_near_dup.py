"""Real edits of real pictures find their original, and nothing but their original."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import dfindex
from tests.checkout import shared_data
from tests.marks import mostly_slow

FAMILIES = shared_data / "near_dup"
PHOTOS = shared_data / "photos_cc0" / "validation"
COPIES = {"exact", "copy", "altered_copy"}
ORIGINALS = {
    "bridge_edits": "bridge_edits/aaa-orig.jpg",
    "dihedral": "dihedral/bridge-1-original.jpg",
    "modes": "modes/original.jpg",
    "letterbox": "bridge_edits/aaa-orig.jpg",
}
# the four folders show one bridge
BRIDGE = {Path(name).name for name in ORIGINALS.values()}


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> dfindex.Index:
    if not FAMILIES.is_dir():
        pytest.skip("the shared near-duplicates are not beside this checkout")
    paths = [FAMILIES / name for name in dict.fromkeys(ORIGINALS.values())]
    paths += [FAMILIES / "exif" / "exif-rotn-1.jpg", *sorted(PHOTOS.glob("*/*.jpg"))[::12]]
    return dfindex.build(paths, index=tmp_path_factory.mktemp("near") / "index", workers=1)


def edits() -> list[Any]:
    """Return all edits; the quick suite tries some."""
    if not FAMILIES.is_dir():
        return []
    paths = [
        path
        for folder, original in ORIGINALS.items()
        for path in sorted((FAMILIES / folder).iterdir())
        if path.suffix != ".md" and path != FAMILIES / original
    ]
    return mostly_slow(paths, quick=3)


@pytest.mark.parametrize("edit", edits(), ids=lambda path: f"{path.parent.name}/{path.name}")
def test_an_edit_finds_its_original_and_no_stranger(index: dfindex.Index, edit: Path) -> None:
    first, *others = index.search(edit).hits
    assert Path(first.sample.path).name in BRIDGE
    assert first.verdict in COPIES
    strangers = [hit for hit in others if Path(hit.sample.path).name not in BRIDGE]
    assert not [hit for hit in strangers if hit.verdict in COPIES]


@pytest.mark.slow
@pytest.mark.parametrize("name", ["exif-rotn-6.jpg", "exif-rotn-8.jpg"])
def test_another_photograph_of_the_same_things_is_first(index: dfindex.Index, name: str) -> None:
    """The three files are three photographs taken one after the other, each oriented otherwise.

    Whether the second is a copy of the first is a matter of degree; no stranger is, in any case.
    """
    first, *others = index.search(FAMILIES / "exif" / name).hits
    assert Path(first.sample.path).name == "exif-rotn-1.jpg"
    assert first.verdict in COPIES | {"similar"}
    assert not [hit for hit in others if hit.verdict in COPIES]
