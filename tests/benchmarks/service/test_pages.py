"""The measurements of pages and of the probe's path measure what they say."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np

import dfindex
from benchmarks.probes.path import _shortened
from benchmarks.service.index import make_index
from benchmarks.service.map_opening import lay_out
from dfindex.corpus_map import corpus_map


def test_the_map_s_page_shows_the_places_that_were_made_up(tmp_path: Path) -> None:
    make_index(tmp_path / "index", 500)
    lay_out(tmp_path / "index")
    with dfindex.open(tmp_path / "index") as index:
        drawn = corpus_map(index)
    assert len(drawn.samples) == len(drawn.projection) == 500
    assert np.ptp(drawn.projection.coordinates) > 1
    assert len(set(drawn.projection.clusters.tolist())) > 12  # more than a drawn map has


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
