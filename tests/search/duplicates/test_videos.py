"""Videos of a corpus that share a part are one group; the longest stands for it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import dfindex
from search.verdict import COPIES
from search.videos.votes import content_votes
from tests.fake_encoder import MeanColour
from tests.search.photographs import photograph
from tests.videos import clip, steady


@pytest.mark.slow
def test_a_cut_and_its_whole_are_a_group_and_strangers_are_none(tmp_path: Path) -> None:
    scenes = [np.asarray(photograph("hat", place).resize((900, 420))) for place in (0, 1)]

    def pan(scene: int, first: int = 0) -> object:
        def draw(number: int) -> np.ndarray:
            left = 4 * (first + number)
            return np.ascontiguousarray(scenes[scene][20:340, left : left + 480])

        return draw

    corpus = tmp_path / "corpus"
    corpus.mkdir()
    clip(corpus / "whole.mp4", steady(100), size=(480, 320), draw=pan(0))
    clip(corpus / "part.mp4", steady(50), size=(480, 320), draw=pan(0, 30), options={"crf": "35"})
    clip(corpus / "stranger.mp4", steady(100), size=(480, 320), draw=pan(1))
    (corpus / "again.mp4").write_bytes((corpus / "stranger.mp4").read_bytes())
    with dfindex.build(
        [corpus], index=tmp_path / "index", encoder=MeanColour(), workers=1
    ) as index:
        groups = index.duplicates().groups
        names = [[Path(one.sample.path).name for one in group.members] for group in groups]
        assert sorted(names) == [["again.mp4", "stranger.mp4"], ["whole.mp4", "part.mp4"]]
        (cut,) = (
            group for group in groups if len({one.sample.sha256 for one in group.members}) > 1
        )
        assert cut.members[1].verdict in COPIES
        assert cut.members[1].score > 0.9


def test_a_frame_votes_once_for_a_content() -> None:
    scores = np.array([[0.9, 0.8, 0.5], [0.7, -0.2, 0.1]], np.float32)
    ids = np.array([[1, 2, 3], [3, 2, 9]])
    got = content_votes(scores, ids, {1: "a", 2: "a", 3: "b"})
    assert np.isclose(got["a"], 0.9**4 + 0.0)
    assert np.isclose(got["b"], 0.5**4 + 0.7**4)
