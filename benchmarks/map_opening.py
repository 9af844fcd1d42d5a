"""How large a map's page is, and how soon it shows its first picture, opened from disk offline.

``python -m benchmarks.map_opening --points 100000``. The points are made up: clusters of them,
with labels and folders; drawing a real one takes umap-learn first, which is not what is timed.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from benchmarks.browser import chromium, drawn_ms
from benchmarks.machine import Machine
from dfindex.map_data import CorpusMap, packed
from dfindex.map_page import render
from indexer.types import Sample
from search.projection import Projection

_CLUSTERS, _FOLDERS = 60, 97


@dataclass(frozen=True, kw_only=True)
class MapReport:
    """The page's size, milliseconds to the drawn points, and what it should not have done."""

    points: int
    bytes: int
    first_ms: float
    median_ms: float
    console_errors: int
    network_requests: int
    machine: Machine


def main(arguments: list[str] | None = None) -> None:
    """Measure, and print the report as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--points", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        page = Path(folder) / "map.html"
        drawn = made_up(options.points)
        page.write_text(render(drawn, packed(drawn)), encoding="utf-8")
        report = measure(page, points=options.points, rounds=options.rounds)
    sys.stdout.write(json.dumps(asdict(report), indent=1) + "\n")


def measure(page: Path, *, points: int, rounds: int) -> MapReport:
    """Open a page ``rounds`` times, each time in a browser context that has kept nothing."""
    errors: list[str] = []
    asked: list[str] = []
    with chromium() as browser:
        times = [
            drawn_ms(browser, page.resolve().as_uri(), errors=errors, asked=asked)
            for _ in range(rounds)
        ]
    return MapReport(
        points=points,
        bytes=page.stat().st_size,
        first_ms=round(times[0], 1),
        median_ms=round(statistics.median(times), 1),
        console_errors=len(errors),
        network_requests=len([one for one in asked if not one.startswith(("file:", "blob:"))]),
        machine=Machine.here(("dfindex", "playwright")),
    )


def made_up(count: int, *, seed: int = 0) -> CorpusMap:
    """Return a map of ``count`` points in clusters."""
    rng = np.random.default_rng(seed)
    clusters = rng.integers(_CLUSTERS, size=count)
    centres = rng.normal(size=(_CLUSTERS, 2)) * 10
    coordinates = (centres[clusters] + rng.normal(size=(count, 2))).astype(np.float32)
    ids = np.arange(1, count + 1)
    near = np.zeros((count, 0))
    projection = Projection(
        ids, coordinates, clusters, near.astype(np.int64), near.astype(np.float32)
    )
    samples = [
        Sample(
            id=number,
            path=f"/made-up/case-{number % _FOLDERS:02d}/picture-{number:07d}.jpg",
            sha256=f"{number:064x}",
            width=640,
            height=480,
            label=("real", "fake", None)[number % 3],
        )
        for number in ids.tolist()
    ]
    return CorpusMap(projection, samples, "made-up", 1)


if __name__ == "__main__":
    main()
