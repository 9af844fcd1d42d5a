"""A clip that is asked about: read in a process of its own, within limits, until it is halted."""

from __future__ import annotations

import os
from concurrent.futures import CancelledError
from pathlib import Path

import pytest

from indexer.errors import MediaError
from indexer.media.files import Limits
from indexer.types import Features, Reason, UInt8
from search.videos.clips import BATCH, ClipReader
from tests.fake_encoder import MeanColour
from tests.videos import clip, number_of, steady


def test_frames_are_those_a_player_shows_at_their_times(tmp_path: Path) -> None:
    path = clip(tmp_path / "a.mp4", steady(50))
    with ClipReader(MeanColour()) as reader:
        found = reader.read(path)
        shown = reader.frames(found)([0.0, 0.5, 1.99], at_least=96)
        assert shown is not None
        assert [number_of(one.image) for one in shown] == [0, 12, 49]
        assert {(one.width, one.height) for one in shown} == {(192, 96)}
        clip(path, steady(20))
        assert reader.frames(found)([0.0], at_least=96) is None  # another clip lies there now
        assert reader.read(path).sha256 != found.sha256  # and the process goes on


@pytest.mark.parametrize(
    ("limits", "reason"),
    [
        (Limits(pixels=1000), Reason.TOO_LARGE),
        (Limits(video_bytes=1000), Reason.TOO_LARGE),
        (Limits(video_seconds=0.0), Reason.TIMEOUT),
    ],
)
def test_a_clip_is_read_within_limits(tmp_path: Path, limits: Limits, reason: Reason) -> None:
    path = clip(tmp_path / "a.mp4", steady(50))
    with ClipReader(MeanColour(), limits=limits) as reader, pytest.raises(MediaError) as refused:
        reader.read(path)
    assert refused.value.reason is reason


def test_a_reader_that_is_halted_ends_its_process(tmp_path: Path) -> None:
    halted: list[int] = []

    class Halting(MeanColour):
        def encode(self, images: UInt8) -> Features:
            halted.extend(reader._pool.pids)
            reader.halt()
            return super().encode(images)

    path = clip(tmp_path / "a.mp4", steady(50))
    encoder = Halting()
    with ClipReader(encoder) as reader:
        with pytest.raises(CancelledError):
            reader.read(path)
        with pytest.raises(CancelledError):
            reader.read(path)
    assert encoder.pictures <= BATCH
    assert len(halted) == 1
    with pytest.raises(ProcessLookupError):
        os.kill(halted[0], 0)
