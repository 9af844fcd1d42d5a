from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from benchmarks.search_latency import Latency, run
from indexer.errors import UsageError
from search.results import Completeness, Query, Searched, SearchResult, Timing
from tests.benchmarks.pictures import photographs
from tests.fake_encoder import MeanColour


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    folder.mkdir()
    for number, path in enumerate(photographs(9)):
        shutil.copy(path, folder / f"{number}.jpg")
    return folder


@pytest.mark.soak
def test_strangers_are_no_references_and_every_attack_is_searched_for(photos: Path) -> None:
    report = run(photos, MeanColour(), pictures=4, rounds=1, strangers=3, seed=0)
    assert (report.pictures, report.queries, report.strangers) == (4, 16, 3)
    assert report.false_findings == []
    assert report.found_first > 0.5  # four pictures: nearly every attack has few to be taken for
    assert report.unverified.median["verify"] < report.verified.median["verify"]
    with pytest.raises(UsageError, match="expected 50 photographs beside"):
        run(photos, MeanColour(), pictures=4, rounds=1, strangers=50, seed=0)


def test_latency_is_the_median_and_the_95th_percentile() -> None:
    times = np.arange(1.0, 102.0)  # median 51, 95th percentile 96
    results = [
        SearchResult(
            query=Query(path="", sha256="", width=1, height=1),
            index=Searched(path="", generation=1, space="", fingerprint=""),
            completeness=Completeness(seen=1, indexed=1, failed=0),
            hits=(),
            timing_ms=Timing(embed=time, retrieve=2 * time, verify=0, total=3 * time),
        )
        for time in times
    ]
    found = Latency.of(results)
    assert found.median == {"embed": 51, "retrieve": 102, "verify": 0, "total": 153}
    assert found.p95 == {"embed": 96, "retrieve": 192, "verify": 0, "total": 288}
