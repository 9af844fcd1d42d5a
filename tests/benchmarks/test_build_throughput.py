"""The rate of a build is measured on pictures, whatever else lies in their folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.build_throughput import run
from indexer.errors import UsageError
from tests.fake_encoder import MeanColour
from tests.pictures import corpus


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    corpus(tmp_path, 12)
    (tmp_path / "index.csv").write_text("path,label\n")
    whole = next(tmp_path.glob("*.png")).read_bytes()
    (tmp_path / "cut.png").write_bytes(whole[: len(whole) // 2])
    return tmp_path


@pytest.mark.slow
def test_what_is_no_picture_is_left_out(photos: Path) -> None:
    measured = run(MeanColour(), photos, pictures=500, batch_size=4, workers=1, rounds=1)
    assert measured.pictures == 12
    assert measured.of_model == pytest.approx(measured.build / measured.model)


@pytest.mark.slow
def test_at_most_as_many_pictures_are_taken_as_asked_for(photos: Path) -> None:
    measured = run(MeanColour(), photos, pictures=8, batch_size=4, workers=1, rounds=1)
    assert measured.pictures == 8


def test_too_few_pictures_are_said_to_be(photos: Path) -> None:
    with pytest.raises(UsageError, match="expected at least 16 pictures .* found 12"):
        run(MeanColour(), photos, batch_size=16, workers=1, rounds=1)
