"""Segments and offsets, against tracks laid by hand and against clips whose trims are known."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import dfindex
from indexer.types import Float32, Span, unit
from search.verdict import Verdict
from search.videos.matching import match_tracks
from search.videos.results import VideoSearchResult
from search.videos.tracks import Track
from tests.checkout import needs_shared, shared_data

CLIPS = shared_data / "near_dup" / "videos"


def scenery(seconds: float, seed: int = 0, step: float = 0.1) -> Float32:
    """Return unit vectors (n, 32) of a walk, one each ``step`` seconds: neighbours are alike."""
    rng = np.random.default_rng(seed)
    steps = rng.normal(size=(round(seconds / step) + 1, 32))
    kernel = np.hanning(25)[:, None]
    smooth = np.stack([np.convolve(one, kernel[:, 0], "same") for one in steps.T], axis=1)
    return unit(smooth.astype(np.float32))


def shown(scene: Float32, start: float, end: float, every: float) -> Track:
    """Return the track of a clip that shows ``scene`` from ``start`` to ``end``."""
    count = round((end - start) / every)
    every = (end - start) / count
    spans = [Span((part + 0.5) * every, part * every, (part + 1) * every) for part in range(count)]
    rows = [round((start + one.time_s) / 0.1) for one in spans]
    return Track.of(spans, scene[rows])[0]


@pytest.mark.parametrize(("here", "there"), [(0.5, 2.0), (2.0, 0.5), (0.5, 0.5), (1.0, 1.3)])
def test_a_trimmed_clip_lies_where_it_was_cut_from(here: float, there: float) -> None:
    scene = scenery(60)
    query, sample = shown(scene, 12, 31, here), shown(scene, 0, 60, there)
    segments = match_tracks(query, sample)
    assert len(segments) == 1
    assert segments[0].offset_s == pytest.approx(12, abs=0.15 * max(1, here, there))
    assert segments[0].query_from_s == pytest.approx(0, abs=0.6)
    assert segments[0].query_until_s == pytest.approx(19, abs=0.6 + there / 2)
    assert segments[0].frames_matched >= 0.9 * segments[0].frames_compared
    backwards = match_tracks(sample, query)
    assert backwards[0].offset_s == pytest.approx(-12, abs=0.15 * max(1, here, there))


def test_two_parts_in_another_order_are_two_segments() -> None:
    scene, other = scenery(60), scenery(60, seed=1)
    spans = [Span(0.5 * at + 0.25, 0.5 * at, 0.5 * at + 0.5) for at in range(60)]
    rows = [(40 + one.time_s, scene) if one.time_s < 10 else
            (one.time_s, other) if one.time_s < 20 else (one.time_s - 15, scene)
            for one in spans]  # fmt: skip
    vectors = np.stack([source[round(at / 0.1)] for at, source in rows])
    query, _ = Track.of(spans, vectors)
    segments = match_tracks(query, shown(scene, 0, 60, 0.5))
    found = sorted((one.query_from_s, one.query_until_s, one.offset_s) for one in segments)
    assert len(found) == 2
    assert found[0] == pytest.approx((0, 10, 40), abs=0.8)
    assert found[1] == pytest.approx((20, 30, -15), abs=0.8)


@pytest.mark.parametrize(("here", "there"), [(0.5, 2.0), (0.5, 0.5), (1.0, 1.3)])
def test_a_clip_that_is_played_backwards_is_found_so(here: float, there: float) -> None:
    scene = scenery(60)
    query, sample = shown(scene, 12, 31, here).reversed, shown(scene, 0, 60, there)
    (part,) = match_tracks(query, sample)
    assert part.reversed
    assert (part.sample_from_s, part.sample_until_s) == pytest.approx((12, 31), abs=0.6 + there / 2)
    for time_s in (3.0, 15.0):
        assert part.there(time_s) == pytest.approx(31 - time_s, abs=0.15 * max(1, here, there))
        assert part.here(part.there(time_s)) == pytest.approx(time_s)


def test_what_stands_still_is_not_called_reversed() -> None:
    still = np.repeat(scenery(1)[5:6], 21, axis=0)
    spans = [Span(0.5 * at + 0.25, 0.5 * at, 0.5 * at + 0.5) for at in range(20)]
    track, _ = Track.of(spans, still[:20])
    parts = match_tracks(track, shown(np.repeat(still, 10, axis=0), 0, 6, 0.5))
    assert parts
    assert not any(part.reversed for part in parts)


@pytest.mark.slow
def test_exchanged_the_same_parts_are_found() -> None:
    scene, other = scenery(60), scenery(60, seed=1)
    film, cut = shown(scene, 0, 60, 1.3), shown(scene, 20, 33, 0.5)
    spans = [Span(0.5 * at + 0.25, 0.5 * at, 0.5 * at + 0.5) for at in range(40)]
    vectors = np.stack([(scene if at < 20 else other)[round(10 * spans[at % 20].time_s)]
                        for at in range(40)])  # fmt: skip
    mixed, _ = Track.of(spans, vectors)
    looped, _ = Track.of(spans, np.concatenate([vectors[:20], vectors[:20]]))
    tracks = (film, cut, mixed, looped, film.reversed)
    for a in tracks:
        for b in tracks:
            assert match_tracks(a, b) == tuple(
                sorted(
                    (one.exchanged for one in match_tracks(b, a)),
                    key=lambda one: (-one.seconds, one.query_from_s),
                )
            )
            for one in match_tracks(a, b):
                assert one.frames_matched <= one.frames_compared


def test_a_part_that_is_repeated_is_found_each_time() -> None:
    scene = scenery(60)
    spans = [Span(0.5 * at + 0.25, 0.5 * at, 0.5 * at + 0.5) for at in range(60)]
    rows = [round(10 * (one.time_s % 10)) for one in spans]
    looped, _ = Track.of(spans, scene[rows])
    parts = match_tracks(looped, shown(scene, 0, 60, 0.5))
    assert sorted(one.query_from_s for one in parts) == pytest.approx([0, 10, 20], abs=0.6)
    assert {round(one.sample_from_s) for one in parts} == {0}


def test_blank_frames_are_no_part_of_an_alignment() -> None:
    """Ten seconds of black before different scenes; then the same black within the same scene."""
    scenes = [scenery(10, seed) for seed in (0, 1)]
    black = scenery(1, 7)[3]
    spans = [Span(0.5 * at + 0.25, 0.5 * at, 0.5 * at + 0.5) for at in range(40)]
    dark = [0.2] * 20 + [30.0] * 20
    first, second = (
        Track.of(spans, np.stack([*[black] * 20, *scene[2:100:5][:20]]), dark)[0]
        for scene in scenes
    )
    assert match_tracks(first, second) == ()
    assert len(match_tracks(*(Track.of(spans, one.vectors)[0] for one in (first, second)))) == 1
    (part,) = match_tracks(first, first)
    assert part.query_from_s == pytest.approx(10)
    assert (part.frames_matched, part.frames_compared) == (20, 20)


def test_strangers_share_nothing() -> None:
    for seed in range(1, 6):
        query, sample = shown(scenery(30, seed), 0, 30, 0.5), shown(scenery(60), 0, 60, 1.0)
        assert match_tracks(query, sample) == ()


def test_a_picture_is_found_at_its_time() -> None:
    scene = scenery(30)
    still, _ = Track.of([Span(0, 0, 0)], scene[[143]])
    segments = match_tracks(shown(scene, 0, 30, 0.5), still)
    assert len(segments) == 1
    assert segments[0].query_from_s == pytest.approx(14.3, abs=0.3)
    there = match_tracks(still, shown(scene, 0, 30, 0.5))
    assert there[0].sample_from_s == pytest.approx(14.3, abs=0.3)


def test_thinned_frames_count_for_the_part_they_stand_for() -> None:
    vectors = unit(np.eye(3, 8, dtype=np.float32))
    spans = [Span(0.5, 0, 1), Span(1.5, 1, 4), Span(4.5, 4, 5)]
    track, owners = Track.of(spans, vectors)
    assert owners.tolist() == [0, 1, 1, 1, 2]
    assert track.times.tolist() == [0.5, 1.5, 2.5, 3.5, 4.5]
    assert (track.duration, track.spacing) == (5, 1)


FAMILIES = ("chair", "doorknob", "pattern", "test-padded")
# Found by laying all frames of both clips onto each other, 32 x 48 pixels and grey: the n-th frame
# of the first is the (n + 111)-th of the second, and so on; all have 30 frames a second.
TRIMS = {
    ("chair-19-sd-bar", "chair-orig-22-sd-bar"): (111 / 30, 562 / 30),
    ("chair-20-sd-bar", "chair-orig-22-sd-bar"): (60 / 30, 613 / 30),
    ("chair-19-sd-bar", "chair-20-sd-bar"): (51 / 30, 562 / 30),
    ("pattern-hd-no-bar", "pattern-longer-no-bar"): (1 / 30, 206 / 30),
}


def family(path: str) -> str:
    return next(name for name in FAMILIES if Path(path).name.startswith(name))


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> dfindex.Index:
    return dfindex.build([CLIPS], index=tmp_path_factory.mktemp("clips") / "index")


def searched(index: dfindex.Index, name: str, **options: bool) -> VideoSearchResult:
    return index.search(CLIPS / f"{name}.mp4", 14, **options)


@pytest.mark.slow
@needs_shared
@pytest.mark.timeout(900)
@pytest.mark.parametrize("name", ["chair-19-sd-bar", "chair-20-sd-bar", "pattern-hd-no-bar"])
def test_trimmed_clips_lie_within_a_second_of_the_truth(index: dfindex.Index, name: str) -> None:
    result = searched(index, name, verify=False)
    assert result.hits[0].verdict is Verdict.EXACT
    by_name = {Path(hit.sample.path).stem: hit for hit in result.hits}
    for (first, second), (offset, length) in TRIMS.items():
        if first != name:
            continue
        segment = by_name[second].video.segments[0]
        assert segment.offset_s == pytest.approx(offset, abs=0.2)
        assert segment.query_from_s == pytest.approx(0, abs=1)
        assert segment.query_until_s == pytest.approx(length, abs=1)
        assert segment.sample_from_s == pytest.approx(offset, abs=1)
        assert segment.sample_until_s == pytest.approx(offset + length, abs=1)


@needs_shared
@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_every_clip_s_first_matches_are_its_own_family(index: dfindex.Index) -> None:
    assert index.status().samples["frame"] > 14 * 5
    clips = sorted(path.stem for path in CLIPS.glob("*.mp4"))
    assert len(clips) == 14
    for name in clips:
        hits = searched(index, name, verify=False).hits
        assert hits[0].verdict is Verdict.EXACT
        found = [hit for hit in hits[1:] if hit.found]
        relatives = sum(family(other) == family(name) for other in clips) - 1
        assert len(found) == relatives, name
        assert {family(hit.sample.path) for hit in found} <= {family(name)}, name


@needs_shared
@pytest.mark.slow
@pytest.mark.timeout(900)
def test_pixels_tell_a_logo_from_a_trim(index: dfindex.Index) -> None:
    hits = searched(index, "chair-19-sd-bar").hits
    verdicts = {Path(hit.sample.path).stem: hit.verdict for hit in hits}
    assert verdicts["chair-orig-22-sd-bar"] is Verdict.COPY
    assert verdicts["chair-22-with-large-logo-bar"] is Verdict.ALTERED_COPY
    original = next(hit for hit in hits if "orig" in hit.sample.path)
    assert original.video.segments[0].offset_s == pytest.approx(111 / 30, abs=1 / 30)
    assert "from 00:03 to 00:22, offset +3.7 s" in original.video.description
