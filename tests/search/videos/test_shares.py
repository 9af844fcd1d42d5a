"""How much of two films is shared, whoever asks and from whichever side; what makes them copies."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

import dfindex
from dfindex.encoders import open_encoder
from indexer.types import UInt8
from search.verdict import COPIES, Verdict
from search.videos.clips import Clip, ClipReader
from search.videos.compare import VideoFinding, compare_clips
from tests.checkout import needs_shared, shared_data
from tests.search.photographs import photograph
from tests.videos import clip, steady

CASES = shared_data / "cases"
SIZE = (240, 160)
RATE = 10.0
Film = list[UInt8]


@cache
def ground(place: int) -> UInt8:
    kind = ("hat", "dress", "shoes", "pants")[place % 4]
    return np.asarray(photograph(kind, place // 4).resize((720, 480)))


def scene(place: int, count: int, first: int = 0) -> Film:
    """Return frames of a camera that wanders over a photograph, never twice the same way."""
    frames = []
    for number in range(first, first + count):
        left = int(200 + 200 * np.sin(number / 19 + place))
        top = int(130 + 130 * np.cos(number / 13 + place))
        frames.append(np.ascontiguousarray(ground(place)[top : top + 200, left : left + 300]))
    return [np.asarray(Image.fromarray(one).resize(SIZE)) for one in frames]


def card(count: int, text: str = "THE TITLE") -> Film:
    image = Image.new("RGB", SIZE, (20, 20, 60))
    draw = ImageDraw.Draw(image)
    draw.text((20, 50), text, font=ImageFont.load_default(36), fill="white")
    draw.ellipse((90, 105, 150, 150), outline="orange", width=5)
    return [np.asarray(image)] * count


def black(count: int) -> Film:
    return [np.zeros((SIZE[1], SIZE[0], 3), np.uint8)] * count


def written(path: Path, film: Film, **options: object) -> Path:
    height, width = film[0].shape[:2]
    times = steady(len(film), RATE)
    return clip(path, times, size=(width, height), draw=lambda number: film[number], **options)  # type: ignore[arg-type]


def slow(*values: object) -> object:
    return pytest.param(*values, marks=pytest.mark.slow)


FILM = scene(0, 30) + scene(1, 30)
OTHER = scene(2, 30) + scene(3, 30)


class Films:
    """Films that are written and read once."""

    def __init__(self, folder: Path, reader: ClipReader) -> None:
        self._folder, self._reader = folder, reader
        self._read: dict[str, Clip] = {}

    def told(self, a: str, b: str) -> VideoFinding:
        """Return what is said of two films, after a look whether the other side says the same."""
        first, second = self.clip(a), self.clip(b)
        _, found = compare_clips(self._reader, first, second, name=b)
        _, turned = compare_clips(self._reader, second, first, name=a)
        assert found.verdict is turned.verdict
        shares = (found.video.share_query, found.video.share_sample)
        assert shares == (turned.video.share_sample, turned.video.share_query)
        assert found.video.frames_matched <= found.video.frames_compared
        assert (found.video.mirrored, found.video.reversed) == (
            turned.video.mirrored,
            turned.video.reversed,
        )
        return found

    def clip(self, name: str) -> Clip:
        if name not in self._read:
            path = CASES / name
            if name in MADE:
                path = written(self._folder / f"{name}.mp4", MADE[name]())
            self._read[name] = self._reader.read(path)
        return self._read[name]


MADE: dict[str, Callable[[], Film]] = {
    "film": lambda: FILM,
    "other": lambda: OTHER,
    "titled": lambda: card(6) + FILM[:54],
    "other titled": lambda: card(6) + OTHER[:54],
    "after black": lambda: black(30) + FILM[:30],
    "other after black": lambda: black(30) + OTHER[:30],
    "cut": lambda: FILM[12:36],
    "a second": lambda: FILM[40:50],
    "with an intro": lambda: card(20) + FILM,
    "mirrored": lambda: [one[:, ::-1] for one in FILM],
    "reversed": lambda: FILM[::-1],
    "mirrored and reversed": lambda: [one[:, ::-1] for one in FILM[::-1]],
    "turned": lambda: [one.transpose(1, 0, 2)[:, ::-1] for one in FILM],
    "compilation": lambda: FILM[6:24] + scene(6, 12) + OTHER[30:45] + FILM[40:55],
    "black": lambda: black(30),
    "grey": lambda: [one + 128 for one in black(30)],
    "wide": lambda: [np.pad(one, ((0, 0), (40, 40), (0, 0))) for one in FILM],
    "looped": lambda: FILM[:30] * 2,
}


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Films]:
    with ClipReader(open_encoder(None, "auto", "auto")) as reader:
        yield Films(tmp_path_factory.mktemp("films"), reader)


@pytest.mark.slow
def test_a_title_card_of_a_tenth_makes_no_copy(films: Films) -> None:
    found = films.told("titled", "other titled")
    assert found.verdict is Verdict.SIMILAR
    assert found.video.share_query == pytest.approx(0.1, abs=0.03)
    assert found.video.share_sample == pytest.approx(0.1, abs=0.03)
    assert " % of other titled, which is " in found.video.description
    assert "too little of either to call it a copy" in found.video.description


def test_shared_black_is_nothing_shared(films: Films) -> None:
    found = films.told("after black", "other after black")
    assert found.verdict not in COPIES
    assert (found.video.share_query, found.video.share_sample) == (0, 0)


@pytest.mark.slow
def test_black_is_not_counted_where_the_rest_is_shared(films: Films) -> None:
    found = films.told("after black", "film")
    assert found.verdict is Verdict.COPY
    assert found.video.share_query == pytest.approx(1, abs=0.04)
    assert found.video.share_sample == pytest.approx(0.5, abs=0.04)


@pytest.mark.parametrize("other", ["film", slow("grey")])
def test_of_nothing_but_blank_frames_nothing_is_said(films: Films, other: str) -> None:
    found = films.told("black", other)
    assert found.verdict is Verdict.NOT_ASSESSABLE
    assert found.confidence == 0
    assert films.told("black", "black").verdict is Verdict.EXACT


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "here", "there", "offset"),
    [
        ("cut", 1, 24 / 60, 1.2),
        slow("a second", 1, 10 / 60, 4),
        slow("with an intro", 60 / 80, 1, -2),
    ],
)
def test_what_was_cut_out_or_added_to_is_a_copy(
    films: Films, name: str, here: float, there: float, offset: float
) -> None:
    found = films.told(name, "film")
    assert found.verdict is Verdict.COPY
    assert found.video.share_query == pytest.approx(here, abs=0.06)
    assert found.video.share_sample == pytest.approx(there, abs=0.04)
    assert found.video.segments[0].offset_s == pytest.approx(offset, abs=0.11)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "mirrored", "backwards"),
    [
        slow("mirrored", True, False),
        slow("reversed", False, True),
        ("mirrored and reversed", True, True),
        slow("turned", False, False),
        slow("wide", False, False),
    ],
)
def test_mirrored_reversed_and_turned_films_are_found_and_said_to_be_so(
    films: Films, name: str, mirrored: bool, backwards: bool
) -> None:
    found = films.told(name, "film")
    assert found.verdict is Verdict.COPY
    assert (found.video.mirrored, found.video.reversed) == (mirrored, backwards)
    assert ("mirrored" in found.video.description) is mirrored
    assert ("reversed in time" in found.video.description) is backwards
    assert min(found.video.share_query, found.video.share_sample) > 0.95
    if name == "turned":
        turns = {round(one.match.rotation_deg) for one in found.video.checked if one.match}
        assert turns == {-90}


@pytest.mark.slow
def test_a_compilation_says_how_much_of_it_is_whose(films: Films) -> None:
    found = films.told("compilation", "film")
    assert found.verdict is Verdict.COPY  # more than half of it
    assert found.video.share_query == pytest.approx(33 / 60, abs=0.05)
    assert len(found.video.segments) >= 2
    less = films.told("compilation", "other")
    assert less.verdict is Verdict.SIMILAR
    assert less.video.share_query == pytest.approx(15 / 60, abs=0.05)


@pytest.mark.slow
def test_parts_do_not_overlap_and_what_is_repeated_counts_each_time(films: Films) -> None:
    found = films.told("looped", "film")
    assert found.video.share_query == pytest.approx(1, abs=0.05)
    assert found.video.share_sample == pytest.approx(30 / 60, abs=0.05)
    parts = sorted(found.video.segments, key=lambda one: one.query_from_s)
    for before, after in zip(parts, parts[1:], strict=False):
        assert before.query_until_s <= after.query_from_s + 1e-9


@needs_shared
@pytest.mark.parametrize("b", ["fade_b.mp4", "black_a.mp4"])
def test_the_films_that_share_black_are_no_copies(films: Films, b: str) -> None:
    assert films.told("fade_a.mp4", b).verdict not in COPIES


@needs_shared
@pytest.mark.parametrize("b", [slow("hflip.mp4"), slow("vflip.mp4"), slow("transpose.mp4")])
def test_the_films_with_display_matrices_are_mirrored_copies(films: Films, b: str) -> None:
    found = films.told("ref.mp4", b)
    assert found.verdict is Verdict.COPY
    assert found.video.mirrored
    assert found.video.share_query > 0.95


@pytest.mark.slow
@needs_shared
def test_the_film_of_high_dynamic_range_is_a_copy_and_not_altered(films: Films) -> None:
    found = films.told("hdr_pq.mp4", "ref.mp4")
    assert found.verdict is Verdict.COPY
    assert found.video.share_query > 0.95


@pytest.mark.slow
def test_search_and_duplicates_say_the_same(tmp_path: Path) -> None:
    corpus = tmp_path / "corpus"
    corpus.mkdir()
    for name in ("film", "cut", "other titled", "black", "reversed"):
        written(corpus / f"{name}.mp4", MADE[name]())
    query = written(tmp_path / "titled.mp4", MADE["titled"]())
    with dfindex.build([corpus], index=tmp_path / "index", workers=1) as index:
        hits = {Path(hit.sample.path).stem: hit for hit in index.search(query, 10).hits}
        groups = index.duplicates().groups
    assert hits["film"].verdict is Verdict.COPY
    assert hits["reversed"].verdict is Verdict.COPY
    assert hits["reversed"].video.reversed
    assert hits["other titled"].verdict is Verdict.SIMILAR
    # What stands still tells no time: an offset is known to half the spacing of indexed frames.
    assert hits["other titled"].share_query == pytest.approx(0.1, abs=0.06)
    assert hits["cut"].share_sample == pytest.approx(1, abs=0.05)
    assert hits["cut"].share_query == pytest.approx(24 / 60, abs=0.05)
    assert "black" not in hits or hits["black"].verdict is Verdict.NOT_ASSESSABLE
    (group,) = groups
    members = {Path(one.sample.path).stem: one for one in group.members}
    assert members.keys() == {"film", "reversed", "cut"}
    assert members["cut"].verdict is Verdict.COPY
    assert members["cut"].share_query == pytest.approx(24 / 60, abs=0.05)
    assert members["cut"].share_sample == pytest.approx(1, abs=0.05)
