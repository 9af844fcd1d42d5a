"""The pages as people use them, in headless Chromium: the journey, the map, the keyboard, axe."""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import dfindex
from benchmarks.service.browser import chromium, executable
from tests.checkout import ROOT
from tests.dfindex.server.conftest import film, pan
from tests.fake_encoder import NAME
from tests.videos import clip, steady

pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(executable() is None, reason="no Chromium: apt-get install chromium"),
]
SERVE = "import tests.fake_encoder; from dfindex.cli import main; main()"


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Serve an index of the sample corpus' first photographs, with the hand-computable encoder."""
    home = tmp_path_factory.mktemp("browser")
    photos = home / "photos"
    photos.mkdir()
    demo = "b4094c8d-68c9-4854-99c9-ee88ed37d6e5.jpg"
    wanted = sorted((ROOT / "data" / "photos").rglob("*.jpg"))
    chosen = [path for path in wanted if path.name == demo] + wanted[::13][:24]
    for path in chosen:
        shutil.copy(path, photos / path.name)
    for place in range(3):
        film(photos / f"film-{place}.mp4", place)
    clip(photos / "old.flv", steady(30), codec="flv", size=(320, 240), draw=pan(7))
    dfindex.build([photos], index=home / "index", encoder=NAME, workers=1).close()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    service = subprocess.Popen(
        [sys.executable, "-c", SERVE, "serve", "--index", str(home / "index"), "--port", str(port)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    try:
        until = time.monotonic() + 60
        while time.monotonic() < until:
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz")
                break
            except OSError:
                time.sleep(0.3)
        yield f"http://127.0.0.1:{port}"
    finally:
        service.terminate()
        assert service.wait(timeout=30) in (0, -15)


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with chromium() as started:
        yield started


@pytest.fixture
def page(browser: Any, address: str) -> Iterator[Any]:
    """Open a page that fails its test for any console error and any foreign request."""
    context = browser.new_context(viewport={"width": 1280, "height": 800})
    opened = context.new_page()
    opened.set_default_timeout(60_000)
    troubles: list[str] = []
    opened.on("console", lambda said: troubles.append(said.text) if said.type == "error" else None)
    opened.on("pageerror", lambda error: troubles.append(str(error)))
    opened.on(
        "request",
        lambda asked: (
            None
            if asked.url.startswith((address, "data:", "blob:"))
            else troubles.append(asked.url)
        ),
    )
    opened.on(
        "response",
        lambda said: troubles.append(f"{said.status} {said.url}") if said.status >= 400 else None,
    )
    yield opened
    context.close()
    assert troubles == []


def settled(page: Any) -> None:
    page.wait_for_load_state("networkidle")


def test_a_manipulated_picture_leads_to_its_original_and_to_a_label(
    page: Any, address: str
) -> None:
    page.goto(address)
    assert page.locator("html.shown").count() == 0  # blurred until asked for
    page.keyboard.press("b")
    assert page.locator("html.shown").count() == 1
    page.set_input_files("#file", str(ROOT / "data/manipulated/demo_local_splice.jpg"))
    first = page.locator(".card").first
    first.wait_for()
    assert "altered copy" in first.inner_text()
    assert "query=u-" in page.url
    page.keyboard.press("j")
    page.keyboard.press("Enter")
    page.wait_for_url("**/compare**")
    settled(page)
    assert "altered" in page.locator("h1").inner_text().lower()
    page.keyboard.press("2")
    clip = "getComputedStyle(document.querySelector('[data-layer=aligned]')).clipPath"
    assert "50%" in page.evaluate(clip)
    page.locator("[data-place]").fill("20")
    assert "20%" in page.evaluate(clip)
    for key, layer in (("4", "difference"), ("5", "heat")):
        page.keyboard.press(key)
        place = page.locator(f"[data-layer={layer}]")
        place.wait_for(state="visible")
        assert place.evaluate("image => image.decode().then(() => image.naturalWidth)") > 100
    page.keyboard.press("+")
    assert page.locator("[data-level]").inner_text() == "150 %"
    page.locator("form.label button[value=fake]").click()
    page.locator("form.label [role=status]", has_text="Labelled fake").wait_for()
    page.reload()
    assert page.locator("html.shown").count() == 1  # the choice is remembered
    assert page.locator("form.label button[value=fake]").get_attribute("aria-pressed") == "true"


def test_a_clip_leads_to_its_film_at_its_time_and_to_a_label(
    page: Any, address: str, tmp_path: Path
) -> None:
    query = film(tmp_path / "clip.mp4", 1, first=25, count=40)
    page.goto(address)
    page.keyboard.press("b")
    page.set_input_files("#file", str(query))
    page.locator(".card", has_text="film-1.mp4").wait_for()
    settled(page)
    assert "clip.mp4" in page.locator(".asked").inner_text()
    asked = page.locator(".asked img")
    assert asked.evaluate("image => image.decode().then(() => image.naturalWidth)") == 320
    card = page.locator(".card", has_text="film-1.mp4")
    assert "copy" in card.inner_text()
    assert re.search(r"(9\d|100) % of the query", card.inner_text())
    compared = address + card.locator("a.open").get_attribute("href")
    card.get_by_role("link", name="Details").click()
    page.wait_for_url("**/samples/*")
    film_ = page.locator("video")
    page.wait_for_function("document.querySelector('video').readyState >= 2")
    time_s = float(film_.get_attribute("src").rpartition("#t=")[2])
    assert time_s > 0.9  # the clip begins a second into its film
    assert film_.evaluate("video => video.currentTime") == pytest.approx(time_s, abs=0.001)
    assert film_.evaluate("video => [video.videoWidth, video.videoHeight]") == [320, 240]
    assert page.locator("[data-unplayed]").is_hidden()
    page.goto(compared)
    settled(page)
    assert re.search(r"\+(0\.9|1\.0)\d s", page.locator("main").inner_text())
    assert (
        page.locator(".strip img").evaluate_all(
            "images => Promise.all(images.map(each => each.decode().then(() => each.naturalWidth)))"
        )
        == [320] * page.locator(".strip img").count()
    )
    films = page.url
    page.locator(".strip a.open").nth(1).click()
    page.wait_for_url("**%40**")
    page.keyboard.press("2")  # two frames on each other, as two pictures are
    assert page.locator("[data-layer=aligned]").is_visible()
    page.goto(films)
    page.locator("form.label input[name=source]").fill("case-17")
    page.locator("form.label button[value=fake]").click()
    page.locator("form.label [role=status]", has_text="Labelled fake").wait_for()
    with urllib.request.urlopen(f"{address}/api/v1/labels") as answer:
        rows = {Path(row["path"]).name: row for row in json.load(answer)["labels"]}
    assert (rows["film-1.mp4"]["label"], rows["film-1.mp4"]["source"]) == ("fake", "case-17")
    page.reload()
    assert page.locator("form.label button[value=fake]").get_attribute("aria-pressed") == "true"


def test_a_film_that_the_browser_cannot_play_is_shown_as_a_picture(page: Any, address: str) -> None:
    where = urllib.parse.quote("path like '%/old.flv'")
    with urllib.request.urlopen(f"{address}/api/v1/samples?where={where}") as answer:
        number = json.load(answer)["samples"][1]["id"]
    page.goto(f"{address}/samples/{number}")
    page.locator("[data-unplayed]").wait_for(state="visible")
    assert page.locator("video").is_hidden()
    frame = page.locator("[data-film] img")
    assert frame.evaluate("image => image.decode().then(() => image.naturalWidth)") == 320


def test_a_picture_is_dropped_or_pasted(page: Any, address: str) -> None:
    page.goto(address)
    data = (ROOT / "data/manipulated/demo_mirrored_crop.jpg").read_bytes()
    page.evaluate(
        """bytes => {
          const carrier = new DataTransfer();
          carrier.items.add(new File([new Uint8Array(bytes)], "pasted.jpg", {type: "image/jpeg"}));
          window.dispatchEvent(new ClipboardEvent("paste", {clipboardData: carrier}));
        }""",
        list(data),
    )
    page.locator(".card").first.wait_for()
    assert "pasted.jpg" in page.locator(".asked").inner_text()
    page.locator("#k").select_option("12")
    page.wait_for_url("**k=12**")
    assert page.locator(".card").count() <= 12


def test_the_lasso_chooses_what_it_surrounds(page: Any, address: str) -> None:
    page.goto(f"{address}/map")
    page.locator("[data-map][data-drawn=yes]").wait_for()
    box = page.locator("[data-map] canvas").first.bounding_box()
    page.locator("[data-tool=lasso]").click()
    corners = [(0.005, 0.995), (0.005, 0.005), (0.995, 0.005), (0.995, 0.995)]
    for step, (x, y) in enumerate(corners):
        page.mouse.move(box["x"] + x * box["width"], box["y"] + y * box["height"], steps=4)
        if step == 0:
            page.mouse.down()
    page.mouse.up()
    page.locator("[data-chosen]").wait_for(state="visible")
    note = page.locator("[data-note]").inner_text()
    assert page.locator("[data-count]").inner_text().split()[0] == note.split()[0]
    page.locator("[data-do=real]").click()
    page.locator("[data-said]", has_text="Labelled").wait_for()


def test_a_probe_is_trained_and_suggests(page: Any, address: str) -> None:
    ids = [
        one["id"]
        for one in json.load(urllib.request.urlopen(f"{address}/api/v1/samples"))["samples"]
    ]
    for label, some in (("fake", ids[:6]), ("real", ids[6:16])):
        asked = urllib.request.Request(
            f"{address}/api/v1/labels",
            data=json.dumps({"sample_ids": some, "label": label}).encode(),
            headers={"content-type": "application/json"},
        )
        urllib.request.urlopen(asked)
    page.goto(f"{address}/probes")
    page.locator("#name").fill("first-probe")
    page.get_by_role("button", name="Train").click()
    page.wait_for_url("**/probes/first-probe", timeout=120_000)
    assert "first-probe" in page.locator("h1").inner_text()
    page.get_by_role("button", name="Score the whole corpus").click()
    page.locator("#applied", has_text="scored").wait_for()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1280, 3840])
def test_pages_fit_every_width(browser: Any, address: str, width: int, scheme: str) -> None:
    size = {"width": width, "height": 800}
    context = browser.new_context(viewport=size, color_scheme=scheme)
    opened = context.new_page()
    for path in ("/", "/corpus", "/map", "/probes", "/samples/1", "/compare?a=s-1&b=s-2"):
        started = time.monotonic()
        opened.goto(address + path)
        assert time.monotonic() - started < 20  # a shared machine; the figure is in the README
        over = opened.evaluate("document.documentElement.scrollWidth - innerWidth")
        assert over <= 0, (path, over)
        assert opened.locator("h1").count() == 1, path
        unnamed = opened.evaluate(
            """() => [...document.querySelectorAll("input:not([type=hidden]), select")]
              .filter((each) => !each.labels?.length && !each.ariaLabel)
              .map((each) => each.outerHTML)"""
        )
        assert unnamed == [], path
    context.close()


def test_the_map_s_own_page_works_from_disk(browser: Any, tmp_path: Path) -> None:
    from tests.pictures import corpus

    corpus(tmp_path / "corpus", 20)
    index = dfindex.build([tmp_path / "corpus"], index=tmp_path / "i", encoder=NAME, workers=1)
    with index:
        from dfindex.reports.map import write_map

        write_map(index, tmp_path / "map.html", thumbnails=True)
    context = browser.new_context(offline=True)
    opened = context.new_page()
    troubles: list[str] = []
    opened.on("console", lambda said: troubles.append(said.text) if said.type == "error" else None)
    opened.on("pageerror", lambda error: troubles.append(str(error)))
    asked: list[str] = []
    opened.on("request", lambda request: asked.append(request.url))
    opened.goto((tmp_path / "map.html").as_uri())
    opened.locator("[data-map][data-drawn=yes]").wait_for()
    assert opened.locator("[data-note]").inner_text().startswith("20 samples")
    assert troubles == []
    assert [url for url in asked if not url.startswith(("file:", "blob:"))] == []
    context.close()
