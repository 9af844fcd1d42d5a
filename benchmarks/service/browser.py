"""Chromium, as measurements of pages need it."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

_DRAWN = "[data-map][data-drawn=yes]"
_LOADED = "() => performance.getEntriesByType('navigation')[0].loadEventEnd"


def executable() -> str | None:
    """Return where Chromium is installed, None where it is not."""
    return shutil.which("chromium") or shutil.which("chromium-browser")


@contextmanager
def chromium() -> Iterator[Any]:
    """Start a headless browser."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as started:
        browser = started.chromium.launch(
            executable_path=executable(), args=["--no-sandbox", "--enable-unsafe-swiftshader"]
        )
        try:
            yield browser
        finally:
            browser.close()


def loaded_ms(browser: Any, address: str) -> float:
    """Return the milliseconds to a page's load event, in a context that has kept nothing."""
    context = browser.new_context()
    try:
        page = context.new_page()
        page.goto(address, wait_until="load")
        page.wait_for_function(f"({_LOADED})() > 0")
        return float(page.evaluate(_LOADED))
    finally:
        context.close()


def drawn_ms(
    browser: Any,
    address: str,
    *,
    seconds: float = 60,
    errors: list[str] | None = None,
    asked: list[str] | None = None,
) -> float:
    """Return the milliseconds until a map has drawn its points.

    What the page says on its console as an error, and whom it asks, is added to the lists.
    """
    context = browser.new_context()
    try:
        page = context.new_page()
        if errors is not None:
            page.on("console", lambda said: _noted(errors, said.text, said.type == "error"))
            page.on("pageerror", lambda error: errors.append(str(error)))
        if asked is not None:
            page.on("request", lambda request: asked.append(request.url))
        started = time.perf_counter()
        page.goto(address)
        page.locator(_DRAWN).wait_for(timeout=1000 * seconds)
        return 1000 * (time.perf_counter() - started)
    finally:
        context.close()


def _noted(errors: list[str], text: str, wrong: bool) -> None:
    if wrong:
        errors.append(text)
