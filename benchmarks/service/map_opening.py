"""How large a map's page is, and how soon it shows its first picture, opened from disk offline.

``python -m benchmarks.service.map_opening --points 100000``. The index and the places on the map
are made up; laying out a real one takes umap-learn first, which is not what is timed.
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

from benchmarks.command import called
from benchmarks.machine import Machine
from benchmarks.service.browser import chromium, drawn_ms
from benchmarks.service.index import make_index
from indexer.store.folder import IndexFolder
from indexer.store.reader import IndexReader
from search.projection import Projection, save

_CLUSTERS = 60


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
        index, page = Path(folder) / "index", Path(folder) / "map.html"
        make_index(index, options.points)
        lay_out(index)
        called(["map", "--index", str(index), "--out", str(page)], within=Path(folder))
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


def lay_out(index: Path, *, seed: int = 0) -> None:
    """Keep a map of clusters with an index's only space, where ``dfindex map`` looks for one."""
    rng = np.random.default_rng(seed)
    with IndexReader(index) as reader:
        space = reader.space()
        ids, kept = space.ids(), IndexFolder(index).space(space.row.fingerprint).map
    clusters = rng.integers(_CLUSTERS, size=len(ids))
    centres = rng.normal(size=(_CLUSTERS, 2)) * 10
    coordinates = (centres[clusters] + rng.normal(size=(len(ids), 2))).astype(np.float32)
    near = np.zeros((len(ids), 0))
    drawn = Projection(ids, coordinates, clusters, near.astype(np.int64), near.astype(np.float32))
    save(kept, drawn)


if __name__ == "__main__":
    main()
