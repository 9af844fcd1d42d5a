"""What looks alike and is no copy: pages of one layout with other words, blanks of one colour."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageDraw

import dfindex
from benchmarks.documents import LAYOUTS, face, page
from benchmarks.look_alikes import pages
from indexer.media.image import decode_image
from search.verdict import COPIES, Verdict
from search.verification.compare import compare_images
from tests.checkout import needs_shared, shared_data
from tests.marks import mostly_slow
from tests.pictures import picture
from tests.search.photographs import photograph, recompressed


def opened(name: str) -> Image.Image:
    return decode_image((shared_data / "cases" / name).read_bytes()).image


@pytest.mark.parametrize("layout", mostly_slow(LAYOUTS, quick=2))
def test_pages_of_one_layout_with_other_words_are_no_copies(layout: str) -> None:
    found = compare_images(page(layout, 11), page(layout, 12))
    assert found.verdict not in COPIES
    assert "nothing altered" not in found.description


@pytest.mark.timeout(3000)
@pytest.mark.parametrize(
    ("pairs", "altered"),
    [
        pytest.param(33, 0, marks=pytest.mark.slow),  # three of each layout
        pytest.param(500, 2, marks=pytest.mark.soak),
    ],
)
def test_of_many_pairs_of_pages_hardly_any_is_called_a_copy(pairs: int, altered: int) -> None:
    found = pages(pairs)
    assert found.verdicts[Verdict.COPY] == found.verdicts[Verdict.EXACT] == 0
    assert found.verdicts[Verdict.ALTERED_COPY] <= altered


@needs_shared
def test_two_pages_that_were_called_copies_are_none() -> None:
    found = compare_images(opened("doc_11.png"), opened("doc_13.png"))
    assert found.verdict not in COPIES
    assert "nothing altered" not in found.description


EDITED = {
    "recompressed": lambda image: recompressed(image, 40),
    "half the size": lambda image: recompressed(
        image.resize((image.width // 2, image.height // 2), Image.Resampling.LANCZOS), 60
    ),
    "a part": lambda image: image.crop((0, 100, image.width, 800)),
    "turned": lambda image: recompressed(image.transpose(Image.Transpose.ROTATE_90), 70),
    "darker": lambda image: recompressed(image.point(lambda level: 0.7 * level), 70),
}


@pytest.mark.parametrize(
    ("layout", "edit"),
    mostly_slow(
        [
            (layout, edit)
            for number, layout in enumerate(LAYOUTS)
            for edit in [[*EDITED][number % 5]]
        ],
        quick=2,
    ),
)
def test_a_copy_of_a_page_is_one(layout: str, edit: str) -> None:
    image = page(layout, 21)
    assert compare_images(image, EDITED[edit](image)).verdict is Verdict.COPY


@pytest.mark.parametrize("layout", mostly_slow(["form", "invoice", "letter", "chat"], quick=1))
def test_an_altered_page_is_an_altered_copy_and_shows_where(layout: str) -> None:
    image, box = page(layout, 31), (420, 395, 660, 430)
    forged = image.copy()
    draw = ImageDraw.Draw(forged)
    draw.rectangle(box, fill=image.getpixel((4, 700)))
    draw.text((430, 398), "9,999.00", (30, 30, 30), face("DejaVuSans", 24))
    found = compare_images(image, recompressed(forged, 70))
    assert found.verdict is Verdict.ALTERED_COPY
    (x, y, width, height), *others = found.match.altered_boxes
    assert not others
    assert box[0] - 15 <= x <= x + width <= box[2] + 15
    assert box[1] - 15 <= y <= y + height <= box[3] + 15


def redacted(image: Image.Image) -> Image.Image:
    """Black out a word or two in eight lines."""
    draw = ImageDraw.Draw(image)
    for place in range(8):
        left, top = 90 + 53 * place, 110 + 125 * place
        draw.rectangle((left, top, left + 180, top + 22), fill="black")
    return image


def written_upon(image: Image.Image) -> Image.Image:
    """Draw six wavy lines over the words, as of a pen."""
    draw = ImageDraw.Draw(image)
    for place in range(6):
        top = 120 + 170 * place
        points = [(x, int(top + 20 * np.sin(x / 15 + place))) for x in range(200, 600, 5)]
        draw.line(points, (200, 0, 0), 4)
    return image


def with_three_other_entries(image: Image.Image) -> Image.Image:
    draw = ImageDraw.Draw(image)
    for top in (250, 560, 870):
        draw.rectangle((240, top, 400, top + 22), fill=image.getpixel((3, top)))
        draw.text((240, top + 2), "Amended here", (25, 25, 28), face("DejaVuSans", 16))
    return image


@pytest.mark.parametrize("edit", [redacted, written_upon, with_three_other_entries])
@pytest.mark.parametrize("layout", mostly_slow(["letter", "questionnaire", "code"], quick=1))
def test_a_page_altered_in_several_places_is_still_that_page(layout: str, edit: Any) -> None:
    image = page(layout, 51)
    found = compare_images(image, recompressed(edit(image.copy()), 60))
    assert found.verdict is Verdict.ALTERED_COPY


@pytest.mark.slow
def test_a_page_of_which_a_part_was_blacked_out_is_an_altered_copy() -> None:
    image = page("letter", 41)
    redacted = image.copy()
    ImageDraw.Draw(redacted).rectangle((60, 500, 760, 640), fill="black")
    assert compare_images(image, recompressed(redacted, 75)).verdict is Verdict.ALTERED_COPY


@pytest.mark.parametrize(("one", "other"), [(0, 2), (1, 5), (2, 8), (4, 7), (4, 10), (7, 10)])
def test_fields_of_other_colours_are_no_copies(one: int, other: int) -> None:
    """A tone mapping takes any four flat fields to any other four."""
    assert compare_images(picture(one), picture(other)).verdict not in COPIES


FLAGS = [("#008c45", "white", "#cd212a"), ("#169b62", "white", "#ff883e"), ("navy", "white", "red")]


@pytest.mark.parametrize(("one", "other"), [(0, 1), (0, 2), (1, 2)])
def test_flags_of_three_stripes_are_no_copies(one: int, other: int) -> None:
    flags = []
    for colours in (FLAGS[one], FLAGS[other]):
        flag = Image.new("RGB", (600, 400))
        for place, colour in enumerate(colours):
            flag.paste(colour, (200 * place, 0, 200 * place + 200, 400))
        flags.append(recompressed(flag, 85))
    assert compare_images(*flags).verdict not in COPIES


@needs_shared
def test_two_white_pictures_are_not_assessable() -> None:
    found = compare_images(opened("white_a.png"), opened("white_b.jpg"))
    assert (found.verdict, found.score) == (Verdict.NOT_ASSESSABLE, None)


def noisy(level: int) -> Image.Image:
    values = np.random.default_rng(level).normal(level, 4, (240, 320, 3))
    return recompressed(Image.fromarray(np.clip(values, 0, 255).astype(np.uint8)), 60)


@pytest.mark.parametrize("level", [0, 3, 128, 255])
def test_blanks_are_not_assessable_whatever_their_noise(level: int) -> None:
    blank = Image.new("RGB", (320, 240), (level,) * 3)
    for other in (blank.copy(), noisy(level), photograph("shirt", 0)):
        assert compare_images(blank, other).verdict is Verdict.NOT_ASSESSABLE
        assert compare_images(other, blank).verdict is Verdict.NOT_ASSESSABLE
    assert compare_images(blank, blank, same_bytes=True).verdict is Verdict.EXACT


@pytest.mark.slow
def test_a_search_says_of_a_blank_only_what_its_bytes_say(tmp_path: Path) -> None:
    corpus = tmp_path / "corpus"
    corpus.mkdir()
    for name, image in (("white", Image.new("RGB", (300, 200), "white")), ("grey", noisy(120))):
        image.save(corpus / f"{name}.png")
    for number in range(6):
        photograph("shirt", number).save(corpus / f"{number}.jpg")
    index = dfindex.build([corpus], index=tmp_path / "index", workers=1)
    stream = io.BytesIO()
    Image.new("RGB", (300, 200), "white").save(stream, "BMP")
    (tmp_path / "query.bmp").write_bytes(stream.getvalue())
    for verify in (True, False):
        hits = index.search(tmp_path / "query.bmp", verify=verify).hits
        assert {hit.verdict for hit in hits} == {Verdict.NOT_ASSESSABLE}
        first, *others = index.search(corpus / "white.png", verify=verify).hits
        assert (first.verdict, Path(first.sample.path).name) == (Verdict.EXACT, "white.png")
        assert {hit.verdict for hit in others} == {Verdict.NOT_ASSESSABLE}
    picture = index.search(corpus / "0.jpg")
    blanks = [hit for hit in picture.hits if Path(hit.sample.path).suffix == ".png"]
    assert blanks
    assert {hit.verdict for hit in blanks} == {Verdict.NOT_ASSESSABLE}
    assert not index.duplicates().groups
