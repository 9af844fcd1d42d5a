"""The measurements of pages and of the probe's path measure what they say."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np

from benchmarks.map_opening import made_up
from benchmarks.probe_path import _shortened
from dfindex.map_data import packed


def test_a_made_up_map_has_as_many_points_as_asked_for() -> None:
    drawn = made_up(500)
    assert len(drawn.samples) == len(drawn.projection) == 500
    assert np.ptp(drawn.projection.coordinates) > 1
    assert packed(drawn) == packed(made_up(500))
    assert {one.label for one in drawn.samples} == {"real", "fake", None}


def test_a_tenth_of_the_labels_is_kept_back(tmp_path: Path) -> None:
    rows = [("path", "label")] + [(f"{n:02}.png", "real" if n % 2 else "fake") for n in range(25)]
    with (tmp_path / "labels.csv").open("w", newline="") as file:
        csv.writer(file).writerows(rows)
    count, picture = _shortened(tmp_path / "labels.csv", tmp_path / "some.csv")
    with (tmp_path / "some.csv").open(newline="") as file:
        kept = [row["path"] for row in csv.DictReader(file)]
    assert count == len(kept) == 22
    assert kept[0] == str(picture) == str(tmp_path / "01.png")
    assert str(tmp_path / "20.png") not in kept
