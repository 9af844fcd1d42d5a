"""What a search found is said in sentences that a person would say, and never more than is so."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from dfindex.findings import facts, rest, shown_path, where
from indexer.types import Kind, Sample
from search.results import Hit, Match
from search.verdict import Verdict
from search.verification.description import Change

SIZE = (300, 300)
WHOLE = Match(
    inliers=40,
    transform=((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0)),
    mirrored=False,
    rotation_deg=0.0,
    scale=1.0,
    query_overlap=1.0,
    sample_overlap=1.0,
    altered_fraction=0.0,
    altered_boxes=(),
)
SAMPLE = Sample(id=1, sha256="0" * 64, path="/c/a.jpg", kind=Kind.IMAGE, width=300, height=300)


def hit(verdict: Verdict, match: Match | None = None) -> Hit:
    return Hit(
        rank=1,
        score=0.5,
        confidence=0.5,
        probability=None,
        verdict=verdict,
        sample=SAMPLE,
        match=match,
    )


def answer(*hits: Hit, change: Change | None = None) -> Any:
    evidence = (
        {} if change is None else {1: SimpleNamespace(comparison=SimpleNamespace(change=change))}
    )
    query = SimpleNamespace(width=SIZE[0], height=SIZE[1], sha256="1" * 64)
    return SimpleNamespace(hits=hits, query=query, evidence=evidence)


def said(verdict: Verdict, match: Match, change: Change | None = None) -> str:
    one = hit(verdict, match)
    return "; ".join(facts(one, answer(one, change=change)))


@pytest.mark.parametrize(
    ("boxes", "words"),
    [
        ([(0, 0, 30, 30)], "at the upper left"),
        ([(260, 0, 30, 30)], "at the upper right"),
        ([(130, 130, 30, 30)], "in the middle"),
        ([(130, 10, 30, 30)], "at the top"),
        ([(130, 260, 30, 30)], "at the bottom"),
        ([(0, 130, 40, 30)], "at the left"),
        ([(220, 220, 60, 60)], "at the lower right"),
        ([(0, 0, 10, 10), (220, 220, 60, 60)], "in 2 places, the largest at the lower right"),
        ([(10, 10, 280, 250)], "nearly everywhere"),
    ],
)
def test_a_place_is_named_as_people_name_it(
    boxes: list[tuple[int, int, int, int]], words: str
) -> None:
    assert where(boxes, SIZE) == words


def test_what_became_of_a_picture_is_said_in_its_order() -> None:
    match = replace(
        WHOLE,
        mirrored=True,
        sample_overlap=0.66,
        altered_fraction=0.11,
        altered_boxes=((220, 220, 60, 60),),
    )
    assert said(Verdict.ALTERED_COPY, match, Change(tones=9, noise=2)) == (
        "mirrored; shows 66 % of it; 11 % altered at the lower right; tones changed; saved again"
    )


def test_a_paste_says_how_much_of_the_picture_it_fills() -> None:
    change = Change()
    paste = replace(WHOLE, query_overlap=0.4, scale=2.5)
    assert said(Verdict.COPY, paste, change) == (
        "it fills 40 % of the picture; nothing altered in what both show"
    )
    part = replace(paste, sample_overlap=0.5, rotation_deg=15.2)
    assert said(Verdict.COPY, part, change) == (
        "turned by 15°; shows 50 % of it; which fills 40 % of the picture; "
        "nothing altered in what both show"
    )
    assert said(Verdict.COPY, replace(WHOLE, scale=0.5), change).startswith("larger; ")


def test_nothing_altered_is_only_said_where_enough_was_compared() -> None:
    doubt = "too unlike in detail to say whether anything was altered"
    assert said(Verdict.COPY, WHOLE, Change(compared=False)) == doubt
    assert said(Verdict.COPY, WHOLE) == doubt  # nothing is known of how much was
    assert said(Verdict.COPY, WHOLE, Change(same_pixels=True)) == "the same pixels in another file"
    assert said(Verdict.EXACT, WHOLE) == "the same bytes"
    thin = replace(WHOLE, altered_fraction=0.005)
    assert said(Verdict.ALTERED_COPY, thin, Change()) == "altered in places too small to show"
    small = replace(WHOLE, altered_fraction=0.004, altered_boxes=((0, 0, 20, 20),))
    assert said(Verdict.ALTERED_COPY, small) == "less than 1 % altered at the upper left"


def test_what_is_only_near_is_counted_by_what_it_is() -> None:
    assert rest(answer(hit(Verdict.COPY, WHOLE))) == ""
    assert rest(answer(hit(Verdict.UNRELATED))) == "1 nearest, unrelated"
    assert (
        rest(answer(hit(Verdict.UNRELATED), hit(Verdict.UNRELATED))) == "2 nearest, all unrelated"
    )
    mixed = answer(hit(Verdict.COPY, WHOLE), hit(Verdict.SIMILAR), hit(Verdict.UNRELATED))
    assert rest(mixed) == "2 nearest: 1 similar, 1 unrelated"


def test_a_path_is_told_from_the_corpus_it_lies_in() -> None:
    assert shown_path("/data/case/shirts/0412.jpg", ["/data/case"]) == "shirts/0412.jpg"
    assert shown_path("/data/a/x.jpg", ["/data/a", "/data/b"]) == "a/x.jpg"
    assert shown_path("/data/a/b/x.jpg", ["/data/a", "/data/a/b"]) == "b/x.jpg"
    assert shown_path("/elsewhere/x.jpg", ["/data/a"]) == "/elsewhere/x.jpg"
    assert shown_path("/1/photos/x.jpg", ["/1/photos", "/2/photos"]) == "/1/photos/x.jpg"
    assert shown_path("/c/pic.jpg", ["/c/pic.jpg"]) == "/c/pic.jpg"
