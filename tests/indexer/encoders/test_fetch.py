"""Fetching: from a stub of the hub, from a folder, resumed, offline, and refused when wrong."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from indexer.encoders import model_cache
from indexer.encoders.fetch import fetch
from indexer.encoders.published import EncoderEntry
from indexer.encoders.registry import load, show
from indexer.encoders.verification import verify
from indexer.encoders.weights import file_sha256
from indexer.errors import EncoderError, WeightsError
from indexer.types import Head, Layout
from tests.checkout import ROOT
from tests.tiny_vit import write_tiny_vit

REVISION = "0123456789abcdef0123456789abcdef01234567"


def entry_for(folder: Path, **changes: Any) -> EncoderEntry:
    path = folder / "model.safetensors"
    values: dict[str, Any] = {
        "name": "tiny-forensic",
        "source": "somebody/tiny",
        "revision": REVISION,
        "weights_sha256": file_sha256(path),
        "weights_bytes": path.stat().st_size,
        "layout": Layout.HF_VIT,
        "head": Head.SIGMOID1,
        "fake_index": 0,
        "fake_index_provenance": "proved: made so",
        "preset": "own",
        "licence": "MIT",
    }
    return EncoderEntry(**(values | changes))


@pytest.fixture
def published(tmp_path: Path) -> Path:
    return write_tiny_vit(tmp_path / "published", num_labels=1)


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(model_cache.ENVIRONMENT, str(tmp_path / "models"))
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    return tmp_path / "models"


class Hub(ThreadingHTTPServer):
    """As much of the Hugging Face hub as a download needs; counts what was asked for."""

    def __init__(self, folder: Path) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.folder = folder
        self.asked: list[str] = []
        self.cut_after: int | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class _Handler(BaseHTTPRequestHandler):
    server: Hub

    def do_HEAD(self) -> None:
        self._answer(body=False)

    def do_GET(self) -> None:
        self._answer(body=True)

    def log_message(self, *_: Any) -> None:
        """Say nothing."""

    def _answer(self, *, body: bool) -> None:
        wanted = self.headers.get("Range")
        self.server.asked.append(f"{self.command} {self.path} {wanted or ''}".strip())
        if "/api/models/" in self.path:
            self._send(200, json.dumps({"id": "somebody/tiny", "sha": REVISION}).encode(), body)
            return
        path = self.server.folder / self.path.rpartition("/")[2]
        if f"/resolve/{REVISION}/" not in self.path or not path.is_file():
            self.send_response(404)
            self.send_header("X-Error-Code", "EntryNotFound")
            self.send_header("X-Repo-Commit", REVISION)
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        self._send_file(path.read_bytes(), wanted, body)

    def _send_file(self, data: bytes, wanted: str | None, body: bool) -> None:
        start = int(wanted.removeprefix("bytes=").partition("-")[0]) if wanted else 0
        self.send_response(206 if wanted else 200)
        if wanted:
            self.send_header("Content-Range", f"bytes {start}-{len(data) - 1}/{len(data)}")
        self.send_header("ETag", f'"{hashlib.sha256(data).hexdigest()}"')
        self.send_header("X-Repo-Commit", REVISION)
        self.send_header("Accept-Ranges", "bytes")
        self.send_header("Content-Length", str(len(data) - start))
        self.end_headers()
        if body:
            self.wfile.write(data[start:])

    def _send(self, status: int, data: bytes, body: bool) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if body:
            self.wfile.write(data)


@pytest.fixture
def hub(published: Path) -> Iterator[Hub]:
    server = Hub(published)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


def fetch_in_a_process(
    entry: EncoderEntry, hub: Hub, home: Path, revision: str | None = None, **environment: str
) -> Any:
    """Fetch as a user would, from a hub whose address is read when Python starts."""
    values = {name: getattr(entry, name) for name in entry.__dataclass_fields__}
    values |= {"layout": str(entry.layout), "head": str(entry.head), "folder": None}
    code = (
        "import json, sys\n"
        "from indexer.encoders.fetch import fetch\n"
        "from indexer.encoders.published import EncoderEntry\n"
        "from indexer.errors import DfindexError\n"
        "from indexer.types import Head, Layout\n"
        "given = json.loads(sys.argv[1])\n"
        "given['layout'], given['head'] = Layout(given['layout']), Head(given['head'])\n"
        "try:\n"
        "    got = fetch(EncoderEntry(**given), revision=json.loads(sys.argv[2]))\n"
        "    print(json.dumps([got.revision, got.weights_sha256, got.checked]))\n"
        "except DfindexError as error:\n    print(json.dumps(str(error)))\n"
    )
    result = subprocess.run(
        [sys.executable, "-c", code, json.dumps(values), json.dumps(revision)],
        env={
            **os.environ,
            "HF_ENDPOINT": hub.url,
            "HF_HUB_DISABLE_XET": "1",
            "HF_HOME": str(home / "hf"),
            "HF_HUB_DISABLE_TELEMETRY": "1",
            **environment,
        },
        capture_output=True,
        text=True,
        cwd=ROOT,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout.splitlines()[-1])


def test_a_download_is_pinned_checked_and_then_offline(
    published: Path, hub: Hub, home: Path
) -> None:
    entry = entry_for(published)
    got = fetch_in_a_process(entry, hub, home)
    assert got == [REVISION, entry.weights_sha256, "sha256"]
    assert all(f"/resolve/{REVISION}/" in line for line in hub.asked)
    assert model_cache.on_disk(entry) == home / entry.name
    hub.asked.clear()
    again = fetch_in_a_process(entry, hub, home, HF_HUB_OFFLINE="1")
    assert again == got and hub.asked == []
    assert load(home / entry.name, device="cpu").spec.weights_sha256 == entry.weights_sha256


def test_an_interrupted_download_is_resumed(published: Path, hub: Hub, home: Path) -> None:
    entry = entry_for(published)
    fetch_in_a_process(entry, hub, home)
    (home / entry.name / model_cache.MANIFEST).unlink()  # as after a kill between two files
    (home / entry.name / "config.json").unlink()
    hub.asked.clear()
    assert model_cache.on_disk(entry) is None
    fetch_in_a_process(entry, hub, home)
    downloads = [line for line in hub.asked if line.startswith("GET")]
    assert [line.rpartition("/")[2] for line in downloads] == ["config.json"]
    assert model_cache.on_disk(entry) == home / entry.name


def test_other_weights_than_the_published_ones_never_become_loadable(
    published: Path, hub: Hub, home: Path
) -> None:
    entry = entry_for(published, weights_sha256="ab" * 32)
    message = fetch_in_a_process(entry, hub, home)
    assert f"expected weights with SHA-256 {'ab' * 32}, got " in message
    assert model_cache.on_disk(entry) is None
    short = entry_for(published, weights_bytes=5)
    assert "expected model.safetensors of 5 bytes, got" in fetch_in_a_process(short, hub, home)


def test_without_a_known_revision_the_newest_is_noted_and_nothing_else_accepted(
    published: Path, hub: Hub, home: Path
) -> None:
    entry = entry_for(published, revision=None, weights_sha256=None, weights_bytes=None)
    revision, sha256, checked = fetch_in_a_process(entry, hub, home)
    assert (revision, checked) == (REVISION, "first use")
    assert sha256 == file_sha256(published / "model.safetensors")
    other = write_tiny_vit(home.parent / "other", num_labels=1, seed=9)
    shutil.copy(other / "model.safetensors", home / entry.name / "model.safetensors")
    with pytest.raises(WeightsError, match=f"expected weights with SHA-256 {sha256}, got "):
        verify(home / entry.name, entry)


@pytest.mark.slow
def test_without_a_network_the_way_out_is_named(
    published: Path, hub: Hub, home: Path, tmp_path: Path
) -> None:
    entry = entry_for(published)
    message = fetch_in_a_process(entry, hub, home, HF_HUB_OFFLINE="1")
    assert "HF_HUB_OFFLINE is set" in message and "--from FOLDER" in message
    hub.shutdown()
    hub.server_close()
    message = fetch_in_a_process(entry, hub, home)
    assert "cannot be downloaded" in message and "--from FOLDER" in message
    assert fetch(entry, from_folder=published).checked == "sha256"
    assert model_cache.on_disk(entry) == home / entry.name


def test_a_copy_is_held_to_the_same_rules(published: Path, tmp_path: Path) -> None:
    entry = entry_for(published)
    with pytest.raises(WeightsError, match=r"expected model\.safetensors in .*, found none"):
        fetch(entry, from_folder=tmp_path)
    other = write_tiny_vit(tmp_path / "other", num_labels=1, seed=9)
    with pytest.raises(WeightsError, match="expected weights with SHA-256"):
        fetch(entry, from_folder=other)
    assert model_cache.on_disk(entry) is None
    two = write_tiny_vit(tmp_path / "two", num_labels=2)
    first_use = entry_for(two, weights_sha256=None, weights_bytes=None)
    with pytest.raises(WeightsError, match="expected the layout hf_vit with a sigmoid1 head"):
        fetch(first_use, from_folder=two)
    with pytest.raises(EncoderError, match="pinned to revision"):
        fetch(entry, revision="main")


def test_verify_says_what_holds(published: Path) -> None:
    entry = entry_for(published)
    result = verify(published, entry)
    assert result.holds
    held = {check.what: check.holds for check in result.checks}
    assert held == {
        "SHA-256": True,
        "tensors as config.json declares, all finite": True,
        "logit = W . cls + b": True,
        "the same outputs in timm's class": True,
        "the scores that the authors printed": None,
    }


def test_verify_compares_with_the_authors_scores(published: Path, tmp_path: Path) -> None:
    from indexer.encoders.published import GOLDEN
    from tests.pictures import picture

    for name in GOLDEN:
        picture(1).save(tmp_path / name)
    result = verify(published, entry_for(published, name="commfor-owens"), golden=tmp_path)
    assert result.checks[-1].holds is False and not result.holds


def test_what_is_not_here_says_how_to_fetch_it() -> None:
    with pytest.raises(EncoderError, match="dfindex models fetch vit-celebdf"):
        load("vit-celebdf")
    assert show("vit-celebdf").folder is None
