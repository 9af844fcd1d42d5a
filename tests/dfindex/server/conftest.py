"""A small index of pictures, and the real application over it."""

from __future__ import annotations

import shutil
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from starlette.testclient import TestClient

import dfindex
from dfindex.server.app import create_app
from dfindex.server.run import server_of
from dfindex.server.settings import Allowance, ServerSettings
from indexer.types import UInt8
from tests.checkout import ROOT
from tests.fake_encoder import NAME
from tests.pictures import corpus
from tests.videos import clip, steady

Serve = Callable[..., TestClient]


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Index 24 pictures, a text file and an empty file once; each test works on a copy."""
    root = tmp_path_factory.mktemp("template")
    corpus(root / "corpus", 24)
    (root / "corpus" / "notes.txt").write_text("not a picture")
    (root / "corpus" / "empty.jpg").touch()
    dfindex.build([root / "corpus"], index=root / "index", encoder=NAME, workers=1).close()
    return root


@pytest.fixture(scope="session")
def films(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Index three short films and a picture that the second shows; each test works on a copy."""
    root = tmp_path_factory.mktemp("films")
    (root / "corpus").mkdir()
    for place in range(3):
        film(root / "corpus" / f"{place}.mp4", place)
    Image.fromarray(pan(1)(40)).save(root / "corpus" / "shown.png")
    dfindex.build([root / "corpus"], index=root / "index", encoder=NAME, workers=1).close()
    return root


@pytest.fixture
def film_home(films: Path, tmp_path: Path) -> Path:
    """Return a folder with a copy of the films and their index, whose paths are those of films."""
    shutil.copytree(films / "index", tmp_path / "film-index")
    return tmp_path / "film-index"


def pan(place: int) -> Callable[[int], UInt8]:
    """Return what draws the frames of a film that pans over one of the sample photographs."""
    path = sorted((ROOT / "data" / "photos").rglob("*.jpg"))[31 * place]
    with Image.open(path) as photo:
        scene = np.asarray(photo.convert("RGB").resize((560, 320)))
    return lambda number: np.ascontiguousarray(scene[:240, 3 * number : 3 * number + 320])


def film(path: Path, place: int, *, first: int = 0, count: int = 75) -> Path:
    """Write a film of one of the sample photographs, 25 frames a second."""
    draw = pan(place)
    return clip(path, steady(count), size=(320, 240), draw=lambda number: draw(first + number))


@pytest.fixture
def home(template: Path, tmp_path: Path) -> Path:
    """Return a folder with a copy of the index; its corpus is the template's."""
    shutil.copytree(template / "index", tmp_path / "index")
    (tmp_path / "corpus").symlink_to(template / "corpus")
    return tmp_path


@pytest.fixture
def serve(home: Path) -> Iterator[Serve]:
    """Start applications over the index; their clients are closed at the end."""
    with ExitStack() as clients:

        def start(
            *, index: Path | None = None, allowance: dict[str, Any] | None = None, **settings: Any
        ) -> TestClient:
            limits = Allowance(**{"decode_seconds": 30.0, **(allowance or {})})
            path = index or home / "index"
            app = create_app(ServerSettings(index=path, allowance=limits, **settings))
            client = TestClient(app, base_url="http://localhost", raise_server_exceptions=False)
            return clients.enter_context(client)

        yield start
    for thread in threading.enumerate():
        if thread.name == "map":  # the service does not wait for one that is still drawn
            thread.join()


@pytest.fixture
def client(serve: Serve) -> TestClient:
    return serve()


@pytest.fixture
def listen(home: Path) -> Iterator[Callable[..., int]]:
    """Start services that listen on a port of their own, which is returned."""
    with ExitStack() as services:

        def start(
            *, index: Path | None = None, allowance: dict[str, Any] | None = None, **settings: Any
        ) -> int:
            limits = Allowance(**{"decode_seconds": 30.0, **(allowance or {})})
            path = index or home / "index"
            app = create_app(ServerSettings(index=path, allowance=limits, **settings))
            listening = services.enter_context(socket.create_server(("127.0.0.1", 0)))
            service = server_of(app, limits)
            thread = threading.Thread(target=service.run, args=([listening],))
            thread.start()

            def stop() -> None:
                service.should_exit = True
                thread.join()

            services.callback(stop)
            return int(listening.getsockname()[1])

        yield start
