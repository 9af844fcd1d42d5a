"""How soon the service's pages, and a map from disk, are there in a browser.

``python -m benchmarks.service_pages --index .dfindex [--map map.html]``
"""

from __future__ import annotations

import argparse
import json
import shutil
import statistics
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from benchmarks.machine import Machine
from benchmarks.service_process import Running, running

_PAGES = (
    "/",
    "/duplicates",
    "/corpus",
    "/probes",
    "/docs",
    "/samples/{first}",
    "/compare?a=s-{first}&b=s-{second}",
)
_DRAWN = "[data-map][data-drawn=yes]"
_LOADED = "() => performance.getEntriesByType('navigation')[0].loadEventEnd"


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
    parser.add_argument("--map", type=Path, help="A file that dfindex map has written.")
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args(arguments)
    with running(options.index) as service, _browser() as browser:
        report = measure(service, browser, rounds=options.rounds, map_file=options.map)
    sys.stdout.write(json.dumps(asdict(report), indent=1) + "\n")


def measure(service: Running, browser: Any, *, rounds: int, map_file: Path | None) -> PagesReport:
    """Open every page ``rounds`` times, each time in a browser that has kept nothing."""
    first, second = service.sample_ids(2)[:2]
    pages = [page.format(first=first, second=second) for page in _PAGES]
    took: dict[str, list[float]] = {}
    _drawn(browser, service.address + "/map", seconds=600)  # the first time it is laid out
    for _ in range(rounds):
        for page in pages:
            took.setdefault(page, []).append(_loaded(browser, service.address + page))
        took.setdefault("/map, drawn", []).append(_drawn(browser, service.address + "/map"))
        if map_file is not None:
            drawn = _drawn(browser, map_file.resolve().as_uri())
            took.setdefault(f"{map_file.name}, drawn", []).append(drawn)
    return PagesReport(
        samples=service.json("/api/v1/samples?limit=1")["total"],
        rounds=rounds,
        first_ms={page: round(times[0], 1) for page, times in took.items()},
        median_ms={page: round(statistics.median(times), 1) for page, times in took.items()},
        machine=Machine.here(("fastapi", "uvicorn", "playwright")),
    )


@contextmanager
def _browser() -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    with sync_playwright() as started:
        browser = started.chromium.launch(
            executable_path=chromium, args=["--no-sandbox", "--enable-unsafe-swiftshader"]
        )
        try:
            yield browser
        finally:
            browser.close()


def _loaded(browser: Any, address: str) -> float:
    context = browser.new_context()
    try:
        page = context.new_page()
        page.goto(address, wait_until="load")
        page.wait_for_function(f"({_LOADED})() > 0")
        return float(page.evaluate(_LOADED))
    finally:
        context.close()


def _drawn(browser: Any, address: str, *, seconds: float = 60) -> float:
    context = browser.new_context()
    try:
        page = context.new_page()
        started = time.perf_counter()
        page.goto(address)
        page.locator(_DRAWN).wait_for(timeout=1000 * seconds)
        return 1000 * (time.perf_counter() - started)
    finally:
        context.close()


if __name__ == "__main__":
    main()
