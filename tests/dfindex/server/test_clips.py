"""Clips over HTTP: searched and compared as the command line does, apart, and not for nobody."""

from __future__ import annotations

import http.client
import json
import os
import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from starlette.testclient import TestClient

import dfindex
from dfindex.compare import compare
from tests.dfindex.server.conftest import Serve, film
from tests.dfindex.server.routes.test_api import ERROR
from tests.dfindex.server.test_hostile import metric
from tests.fake_encoder import MeanColour
from tests.marks import mostly_slow
from tests.videos import endless


@pytest.fixture
def client(serve: Serve, film_home: Path) -> TestClient:
    return serve(index=film_home)


@pytest.fixture(scope="module")
def slow(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """Return a film that takes seconds to read."""
    return endless(tmp_path_factory.mktemp("slow") / "slow.mp4", 200).read_bytes()


def frame_of(index: Path, name: str) -> int:
    """Return the id of a frame in the middle of a film."""
    with dfindex.open(index) as opened:
        _, samples = opened.embeddings(where=f"path like '%/{name}'")
    return samples[len(samples) // 2].id


def timeless(answer: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in answer.items() if name != "timing_ms"}


@pytest.mark.slow
def test_a_part_of_a_film_is_found_at_its_time(client: TestClient, tmp_path: Path) -> None:
    query = film(tmp_path / "query.mp4", 1, first=25, count=40)
    answer = client.post("/api/v1/search", files={"file": ("q.mp4", query.read_bytes())})
    assert answer.status_code == 200, answer.text
    found = answer.json()
    assert found["query"]["path"] == "q.mp4"
    assert found["query"]["duration_s"] == pytest.approx(40 / 25)
    best = next(hit for hit in found["hits"] if hit["sample"]["kind"] == "frame")
    assert Path(best["sample"]["path"]).name == "1.mp4"
    assert best["verdict"] == "copy"
    assert best["video"]["segments"][0]["offset_s"] == pytest.approx(1.0, abs=0.1)


@pytest.mark.slow
@pytest.mark.parametrize("verify", mostly_slow([True, False], quick=1))
def test_a_frame_by_id_stands_for_its_film_as_on_the_command_line(
    client: TestClient, film_home: Path, verify: bool
) -> None:
    number = frame_of(film_home, "1.mp4")
    asked = {"sample_id": number, "verify": verify, "k": 4}
    answer = client.post("/api/v1/search", json=asked).json()
    with dfindex.open(film_home) as index:
        assert index.is_video(str(number))
        expected = index.search(str(number), 4, encoder=MeanColour(), verify=verify)
    said = json.loads(json.dumps(expected.to_json()))
    assert [timeless(hit) for hit in answer["hits"]] == said["hits"]
    assert answer["query"] == said["query"]
    assert answer["hits"][0]["verdict"] == "exact"


def test_without_pixels_a_picture_is_compared_with_films_not_with_their_frames(
    client: TestClient, film_home: Path
) -> None:
    with dfindex.open(film_home) as index:
        _, samples = index.embeddings(where="kind = 'image'")
    for verify in (True, False):
        asked = {"sample_id": samples[0].id, "verify": verify, "k": 4}
        hits = client.post("/api/v1/search", json=asked).json()["hits"]
        names = [Path(hit["sample"]["path"]).name for hit in hits]
        assert sorted(names) == ["0.mp4", "1.mp4", "2.mp4", "shown.png"]
        assert names[:2] == ["shown.png", "1.mp4"]


def test_a_false_positive_rate_is_refused_of_films_as_on_the_command_line(
    client: TestClient, film_home: Path
) -> None:
    asked = {"sample_id": frame_of(film_home, "1.mp4"), "max_fpr": 0.5}
    for verify in (True, False):
        answer = client.post("/api/v1/search", json={**asked, "verify": verify})
        assert answer.status_code == 422, answer.text


@pytest.mark.slow
def test_two_films_are_compared_as_on_the_command_line(client: TestClient, tmp_path: Path) -> None:
    a = film(tmp_path / "a.mp4", 1, first=25, count=40)
    b = film(tmp_path / "b.mp4", 1)
    other = film(tmp_path / "other.mp4", 2)
    for first, second in ((a, b), (a, other)):
        files = {"a": ("x.mp4", first.read_bytes()), "b": (second.name, second.read_bytes())}
        answer = client.post("/api/v1/compare", files=files)
        assert answer.status_code == 200, answer.text
        expected = compare(first, second, encoder=MeanColour())
        said = json.loads(json.dumps(expected.to_json()))
        assert answer.json() == {**said, "a": "x.mp4", "b": second.name}
    assert expected.verdict not in ("copy", "altered_copy", "exact")


def test_a_film_is_compared_with_a_picture_that_it_shows(
    client: TestClient, films: Path, tmp_path: Path
) -> None:
    whole = film(tmp_path / "a.mp4", 1).read_bytes()
    picture = (films / "corpus" / "shown.png").read_bytes()
    answer = client.post("/api/v1/compare", files={"a": ("a.mp4", whole), "b": ("b.png", picture)})
    found = answer.json()
    assert found["verdict"] == "copy"
    assert found["video"]["segments"][0]["query_from_s"] == pytest.approx(40 / 25, abs=0.3)
    assert "b.png" in found["description"]


@pytest.mark.parametrize(
    ("allowance", "status"),
    [({"pixels": 10_000}, 413), ({"upload_bytes": 1000}, 413), ({"decode_seconds": 0.0}, 422)],
)
def test_films_are_read_within_the_limits_of_an_upload(
    serve: Serve, film_home: Path, tmp_path: Path, allowance: dict[str, Any], status: int
) -> None:
    client = serve(index=film_home, allowance=allowance)
    data = film(tmp_path / "a.mp4", 1).read_bytes()
    for path, names in (("search", ["file"]), ("compare", ["a", "b"])):
        answer = client.post(f"/api/v1/{path}", files={name: data for name in names})
        assert answer.status_code == status, answer.text
        jsonschema.validate(answer.json(), ERROR)


def readers() -> set[int]:
    """Return the processes of ours that decode."""
    found = set()
    for place in Path("/proc").iterdir():
        if place.name.isdigit():
            try:
                parent = (place / "stat").read_text().rpartition(")")[2].split()[1]
                words = (place / "cmdline").read_bytes()
            except OSError:
                continue
            if int(parent) == os.getpid() and b"isolation.worker" in words:
                found.add(int(place.name))
    return found


def settled(seen: Callable[[], bool], seconds: float = 20.0) -> bool:
    until = time.monotonic() + seconds
    while not seen() and time.monotonic() < until:
        time.sleep(0.02)
    return seen()


def test_an_answer_that_takes_too_long_ends_its_work(
    serve: Serve, film_home: Path, slow: bytes
) -> None:
    before = readers()
    client = serve(index=film_home, allowance={"seconds": 1.0})
    started = time.monotonic()
    answer = client.post("/api/v1/search", files={"file": slow})
    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "timeout")
    assert time.monotonic() - started < 10
    assert settled(lambda: readers() <= before, 3)
    assert settled(lambda: "dfindex_queue_films 0.0" in client.get("/metrics").text, 3)


@pytest.fixture
def port(listen: Callable[..., int], film_home: Path) -> int:
    return listen(index=film_home, allowance={"workers": 1, "waiting": 0})


def asking(port: int, data: bytes) -> socket.socket:
    """Send a whole search for a film."""
    body = b'--B\r\nContent-Disposition: form-data; name="file"; filename="x.mp4"\r\n\r\n'
    body += data + b"\r\n--B--\r\n"
    head = (
        "POST /api/v1/search HTTP/1.1\r\nHost: localhost\r\n"
        f"Content-Type: multipart/form-data; boundary=B\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    sender = socket.create_connection(("127.0.0.1", port), timeout=60)
    sender.sendall(head.encode() + body)
    return sender


@pytest.mark.slow
def test_who_goes_away_is_not_worked_for(port: int, slow: bytes) -> None:
    before = readers()
    with asking(port, slow):
        assert settled(lambda: metric(port, "dfindex_queue_films ") == 1)
        assert settled(lambda: len(readers() - before) == 1)  # it is vetted
    assert settled(lambda: metric(port, "dfindex_queue_films ") == 0, 3)
    assert settled(lambda: readers() <= before, 3)
    with asking(port, slow):
        assert settled(lambda: len(readers() - before) == 2)  # it is read, after it was vetted
    assert settled(lambda: metric(port, "dfindex_queue_films ") == 0, 3)
    assert len(readers() - before) == 1  # what vets waits for the next
    line = 'dfindex_requests_total{method="POST",route="/api/v1/search",status="499"'
    assert metric(port, line) == 2


@pytest.mark.slow
def test_who_comes_after_one_that_went_away_is_answered(
    port: int, slow: bytes, tmp_path: Path
) -> None:
    with asking(port, slow):
        assert settled(lambda: metric(port, "dfindex_queue_films ") == 1)
    assert settled(lambda: metric(port, "dfindex_queue_films ") == 0, 3)
    with asking(port, film(tmp_path / "a.mp4", 2).read_bytes()) as sender:
        answer = http.client.HTTPResponse(sender)
        answer.begin()
        assert answer.status == 200
        best = json.loads(answer.read())["hits"][0]
    assert Path(best["sample"]["path"]).name == "2.mp4"
