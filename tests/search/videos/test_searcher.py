"""A picture is found in videos, at its time; a video is found in videos, and its pictures too."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import dfindex
from indexer.types import Kind
from search.calibration import null_scores
from search.verdict import Verdict
from tests.fake_encoder import MeanColour
from tests.indexer.test_video_build import colourful, patch
from tests.search.photographs import photograph
from tests.videos import clip, steady


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> dfindex.Index:
    root = tmp_path_factory.mktemp("corpus")
    for seed in range(3):
        colourful(root / f"{seed}.mp4", seed=seed)
    Image.fromarray(patch(5000)).save(root / "picture.png")
    return dfindex.build([root], index=root / ".dfindex", encoder=MeanColour(), workers=1)


def test_a_picture_is_found_in_a_video_at_its_time(index: dfindex.Index, tmp_path: Path) -> None:
    Image.fromarray(patch(1000 + 54 // 4)).save(tmp_path / "query.png")
    result = index.search(tmp_path / "query.png", 10, encoder=MeanColour(), verify=False)
    best = result.hits[0].sample
    assert (Path(best.path).name, best.kind) == ("1.mp4", Kind.FRAME)
    assert best.time_s == pytest.approx(54 / 25, abs=0.2)
    names = [Path(hit.sample.path).name for hit in result.hits]
    assert sorted(names) == ["0.mp4", "1.mp4", "2.mp4", "picture.png"]  # each video once


def test_a_video_is_found_where_it_was_cut_from(index: dfindex.Index, tmp_path: Path) -> None:
    cut = clip(
        tmp_path / "cut.mp4", steady(50), draw=lambda number: patch(2000 + (30 + number) // 4)
    )
    result = index.search(cut, 10, encoder=MeanColour(), verify=False)
    first, *others = result.hits
    assert Path(first.sample.path).name == "2.mp4"
    assert first.video.segments[0].offset_s == pytest.approx(30 / 25, abs=0.25)
    assert first.video.segments[0].query_until_s == pytest.approx(2.0, abs=0.25)
    assert first.verdict is Verdict.SIMILAR
    assert result.query.duration_s == pytest.approx(2.0)
    assert not any(hit.found for hit in others)


def test_a_video_finds_a_picture_taken_from_it(index: dfindex.Index, tmp_path: Path) -> None:
    made = clip(tmp_path / "made.mp4", steady(75), draw=lambda number: patch(4999 + number // 25))
    hits = index.search(made, 3, encoder=MeanColour(), verify=False).hits
    assert Path(hits[0].sample.path).name == "picture.png"
    assert hits[0].sample.kind is Kind.IMAGE
    assert 1 <= hits[0].video.segments[0].query_from_s < 2
    assert "looks like picture.png at 00:01" in hits[0].video.description


def test_strangers_are_measured_against_other_files(index: dfindex.Index) -> None:
    space = index.space()
    vectors = space.embeddings().vectors
    ids = space.ids()
    files = space.contents().of(ids)
    similar = vectors @ vectors.T
    similar[files[:, None] == files[None]] = -1
    np.testing.assert_allclose(null_scores(space).maxima, np.sort(similar.max(axis=1)), atol=1e-5)


@pytest.mark.slow
def test_pixels_tell_which_frames_are_altered(tmp_path: Path) -> None:
    scene, other = (np.asarray(photograph("hat", place).resize((640, 420))) for place in (0, 1))

    def pan(number: int) -> np.ndarray:
        return np.ascontiguousarray(scene[20 : 20 + 320, 2 * number : 2 * number + 480])

    def logo(number: int) -> np.ndarray:
        frame = pan(number).copy()
        frame[30:110, 330:450] = other[:80, :120]
        return frame

    root = tmp_path / "corpus"
    root.mkdir()
    clip(root / "original.mp4", steady(75), size=(480, 320), draw=pan)
    clip(tmp_path / "query.mp4", steady(50), size=(480, 320), draw=lambda number: logo(number + 20))
    index = dfindex.build([root], index=tmp_path / "index", encoder=MeanColour(), workers=1)
    hit = index.search(tmp_path / "query.mp4", 3, encoder=MeanColour()).hits[0]
    assert hit.verdict is Verdict.ALTERED_COPY
    assert hit.video.segments[0].offset_s == pytest.approx(20 / 25, abs=0.05)
    assert len(hit.video.checked) >= 1
    for checked in hit.video.checked:
        assert checked.sample_s - checked.query_s == pytest.approx(20 / 25, abs=0.05)
        assert checked.match is not None
        x, y, width, height = max(checked.match.altered_boxes, key=lambda box: box[2] * box[3])
        assert abs(x + width / 2 - 390) < 30
        assert abs(y + height / 2 - 70) < 30
