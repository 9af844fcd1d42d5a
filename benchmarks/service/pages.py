"""How soon the service's pages are there in a browser.

``python -m benchmarks.service.pages --index .dfindex``
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from benchmarks.machine import Machine
from benchmarks.service.browser import chromium, drawn_ms, loaded_ms
from benchmarks.service.process import Running, running

_PAGES = (
    "/",
    "/duplicates",
    "/corpus",
    "/probes",
    "/docs",
    "/samples/{first}",
    "/compare?a=s-{first}&b=s-{second}",
)


@dataclass(frozen=True, kw_only=True)
class PagesReport:
    """Milliseconds from asking for a page to its load event; for maps, to the drawn picture."""

    samples: int
    rounds: int
    first_ms: dict[str, float]
    median_ms: dict[str, float]
    machine: Machine


def main(arguments: list[str] | None = None) -> None:
    """Measure, and print the report as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--index", type=Path, required=True)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args(arguments)
    with running(options.index) as service, chromium() as browser:
        report = measure(service, browser, rounds=options.rounds)
    sys.stdout.write(json.dumps(asdict(report), indent=1) + "\n")


def measure(service: Running, browser: Any, *, rounds: int) -> PagesReport:
    """Open every page ``rounds`` times, each time in a browser that has kept nothing."""
    first, second = service.sample_ids(2)[:2]
    pages = [page.format(first=first, second=second) for page in _PAGES]
    took: dict[str, list[float]] = {}
    drawn_ms(browser, service.address + "/map", seconds=600)  # the first time it is laid out
    for _ in range(rounds):
        for page in pages:
            took.setdefault(page, []).append(loaded_ms(browser, service.address + page))
        took.setdefault("/map, drawn", []).append(drawn_ms(browser, service.address + "/map"))
    return PagesReport(
        samples=service.json("/api/v1/samples?limit=1")["total"],
        rounds=rounds,
        first_ms={page: round(times[0], 1) for page, times in took.items()},
        median_ms={page: round(statistics.median(times), 1) for page, times in took.items()},
        machine=Machine.here(("fastapi", "uvicorn", "playwright")),
    )


if __name__ == "__main__":
    main()
