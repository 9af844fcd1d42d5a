"""Two hundred hostile uploads: each is refused in the one shape, and the service goes on."""

from __future__ import annotations

import http.client
import io
import json
import random
import socket
import struct
import tempfile
import time
import urllib.request
import zlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from PIL import Image
from starlette.testclient import TestClient

from tests.checkout import needs_shared, shared_data
from tests.dfindex.server.conftest import Serve
from tests.dfindex.server.routes.test_api import ERROR, ids
from tests.marks import mostly_slow
from tests.pictures import picture

LIMIT = 2 << 20


@pytest.fixture
def small(serve: Serve) -> TestClient:
    return serve(allowance={"upload_bytes": LIMIT, "pixels": 1_000_000, "decode_seconds": 10.0})


def encoded(format_: str, seed: int = 7) -> bytes:
    buffer = io.BytesIO()
    picture(seed, (96, 80)).save(buffer, format_)
    return buffer.getvalue()


def bomb(width: int, height: int) -> bytes:
    """Return a PNG whose header claims more pixels than its few bytes should unpack to."""
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    rows = zlib.compress(b"\0" * 100_000)
    chunks = ((b"IHDR", header), (b"IDAT", rows), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in chunks
    )


def made() -> Iterator[bytes]:
    rng = random.Random(0)
    yield b""
    yield b"\0" * 1000
    yield b"MZ" + rng.randbytes(2000)
    yield b"<?php system($_GET['x']); ?>"
    yield b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>"
    yield b"<!doctype html><script>alert(1)</script>"
    yield b"%PDF-1.7\n" + rng.randbytes(500)
    yield b"PK\x03\x04" + rng.randbytes(500)
    yield b"GIF89a<?php ?>"
    yield b"\xff\xd8\xff\xe0" + b"<script>" * 50
    yield bomb(30000, 30000)
    yield bomb(2_000_000_000, 2_000_000_000)
    yield bomb(0, 0)
    for format_ in ("JPEG", "PNG", "GIF", "WEBP", "TIFF"):
        whole = encoded(format_)
        for share in (0.02, 0.1, 0.3, 0.5, 0.7):
            yield whole[: max(4, int(len(whole) * share))]
    while True:
        yield rng.randbytes(rng.randrange(1, 3000))


def shared_hostile() -> Iterator[bytes]:
    """Yield the shared files that no decoder should accept."""
    for path in sorted((shared_data / "hostile").rglob("*")):
        if path.is_file() and path.stat().st_size <= LIMIT:
            yield path.read_bytes()


NAMES = [
    "../../etc/passwd",
    "..\\..\\windows\\system32",
    "/etc/shadow",
    "x" * 3000 + ".jpg",
    "a\0b.jpg",
    "CON",
    "<img src=x onerror=alert(1)>.png",
    "\u202egpj.exe",
    "$(reboot).png",
    "'; drop table media; --.jpg",
    "%2e%2e%2fsecret",
    "",
]


def check(client: TestClient, answer: object, allowed: tuple[int, ...]) -> None:
    assert answer.status_code in allowed, answer.text
    if answer.status_code >= 400:
        jsonschema.validate(answer.json(), ERROR)
        assert "Traceback" not in answer.text
        assert "/tmp/" not in answer.text


def healthy(client: TestClient, home: Path) -> None:
    data = (home / "corpus" / "00002.png").read_bytes()
    answer = client.post("/api/v1/search", files={"file": data}, data={"verify": "false"})
    assert Path(answer.json()["hits"][0]["sample"]["path"]).name == "00002.png"
    assert client.get("/healthz").status_code == 200


@pytest.mark.slow
def test_two_hundred_made_uploads_are_refused(small: TestClient, home: Path) -> None:
    before = sorted(path.name for path in (home / "corpus").iterdir())
    source = made()
    for number in range(200):
        name = NAMES[number % len(NAMES)] or "x"
        answer = small.post("/api/v1/search", files={"file": (name, next(source))})
        check(small, answer, tuple(range(400, 500)))
    healthy(small, home)
    assert sorted(path.name for path in (home / "corpus").iterdir()) == before


@pytest.mark.slow
@needs_shared
def test_the_shared_hostile_files_do_no_harm(small: TestClient, home: Path) -> None:
    refused = 0
    for data in shared_hostile():
        answer = small.post("/api/v1/search", files={"file": data}, data={"verify": "false"})
        check(small, answer, (200, 413, 415, 422))  # some of them are only unusual
        refused += answer.status_code != 200
    assert refused > 80
    healthy(small, home)


@pytest.mark.parametrize("name", mostly_slow(NAMES, quick=7))
def test_a_name_is_only_shown(small: TestClient, home: Path, name: str) -> None:
    data = (home / "corpus" / "00002.png").read_bytes()
    part = f'form-data; name="file"; filename="{name}"'.encode("utf-8", "replace")
    body = b"--B\r\nContent-Disposition: " + part + b"\r\n\r\n" + data + b"\r\n--B--\r\n"
    headers = {"content-type": "multipart/form-data; boundary=B"}
    answer = small.post("/api/v1/search", content=body, headers=headers)
    check(small, answer, (200, 400))
    if answer.status_code == 200:
        shown = answer.json()["query"]["path"]
        assert "/" not in shown
        assert "\\" not in shown
        assert "\0" not in shown
        assert len(shown) <= 200


def test_what_is_larger_than_the_limit_is_refused(small: TestClient) -> None:
    large = encoded("PNG") + b"\0" * (LIMIT + 1)
    check(small, small.post("/api/v1/search", files={"file": large}), (413,))
    much = b"--B\r\n" + b"x" * (2 * LIMIT)
    headers = {"content-type": "multipart/form-data; boundary=B"}
    check(small, small.post("/api/v1/search", content=much, headers=headers), (400, 413))

    def streamed() -> Iterator[bytes]:  # no Content-Length gives it away beforehand
        yield b'--B\r\nContent-Disposition: form-data; name="file"; filename="x"\r\n\r\n'
        for _ in range(100):
            yield b"x" * 65536

    check(small, small.post("/api/v1/search", content=streamed(), headers=headers), (413,))
    wide = io.BytesIO()
    Image.new("RGB", (2000, 2000)).save(wide, "PNG")
    check(small, small.post("/api/v1/search", files={"file": wide.getvalue()}), (413,))


FORM = "multipart/form-data; boundary=B"
PART = b"--B\r\nContent-Disposition: form-data"
PART_OF_FILE = PART + b'; name="file"; filename="x.png"\r\n\r\n'
INJECTED = b'; name="file"; filename="x\r\nSet-Cookie: a=b"\r\n\r\nx\r\n--B--\r\n'


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("multipart/form-data", b"x"),
        ("multipart/form-data; boundary=", b"x"),
        (FORM, b""),
        (FORM, b"--B\r\n\r\n\r\n--B--"),
        (FORM, PART + b"\r\n\r\nx\r\n--B--\r\n"),
        (FORM, b"--B\r\n" + b"A: b\r\n" * 5000 + b"\r\nx\r\n--B--\r\n"),
        (FORM, PART + INJECTED),
        ("application/json", b"[" * 60_000),
        ("application/json", b'{"sample_id": 1e999}'),
        ("application/json", b'{"sample_id": NaN}'),
        ("application/json", b'{"sample_id": 1, "min_score": NaN}'),
        ("application/json", b'{"sample_id": 1, "min_score": -Infinity, "verify": false}'),
        ("application/json", b'{"sample_id": 1, "max_fpr": 1e999}'),
        ("application/json", b'{"sample_id": ' + b"7" * 5000 + b"}"),
        ("application/json", b"\xff\xfe"),
        ("application/json", b'{"sample_id": 1, "k": 99999999999999999999999}'),
        ("application/json", b"x" * 200_000),
        ("application/json", b""),
        ("text/plain", b"x"),
    ],
)
def test_bodies_out_of_shape_are_refused(small: TestClient, content_type: str, body: bytes) -> None:
    answer = small.post("/api/v1/search", content=body, headers={"content-type": content_type})
    check(small, answer, (400, 413, 415, 422))
    assert "set-cookie" not in answer.headers


def test_too_many_fields_are_refused(small: TestClient, home: Path) -> None:
    data = (home / "corpus" / "00002.png").read_bytes()
    answer = small.post(
        "/api/v1/search", files={"file": data}, data={f"f{n}": "x" for n in range(200)}
    )
    check(small, answer, (400,))


@pytest.mark.parametrize(
    "path", ["/samples/1/label", "/duplicates/decide", "/probes", "/probes/p/apply", "/login"]
)
def test_forms_of_any_size_are_refused(small: TestClient, path: str) -> None:
    fields = {"label": "fake", "name": "p", "a": "1", "b": "2", "decision": "same", "token": "x"}
    whole = small.post(path, data={**fields, "generator": "x" * (64 << 10)})
    assert whole.status_code == (422 if path == "/probes/p/apply" else 413), whole.text
    headers = {"content-type": "application/x-www-form-urlencoded"}
    endless = small.post(path, content=(b"a=b&" * 4096 for _ in range(1000)), headers=headers)
    assert endless.status_code == whole.status_code
    jsonschema.validate(endless.json(), ERROR)


def test_uploads_are_limited_a_minute(serve: Serve, home: Path) -> None:
    client = serve(allowance={"uploads_a_minute": 2})
    data = (home / "corpus" / "00002.png").read_bytes()
    codes = [
        client.post("/api/v1/search", files={"file": data}, data={"verify": "no"}).status_code
        for _ in range(3)
    ]
    assert codes == [200, 200, 429]


def opened(port: int, claimed: int) -> socket.socket:
    """Begin an upload of so many bytes: the head of its request, and of its form."""
    head = (
        "POST /api/v1/search HTTP/1.1\r\nHost: localhost\r\n"
        f"Content-Type: multipart/form-data; boundary=B\r\nContent-Length: {claimed}\r\n\r\n"
    )
    sender = socket.create_connection(("127.0.0.1", port), timeout=60)
    sender.sendall(head.encode() + PART_OF_FILE)
    return sender


def answered(sender: socket.socket) -> tuple[int, dict[str, Any]]:
    answer = http.client.HTTPResponse(sender)
    answer.begin()
    return answer.status, json.loads(answer.read())


def metric(port: int, line: str) -> float:
    """Return the value of one line of the service's metrics, 0 where it is not there."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics") as answer:
        said: list[str] = answer.read().decode().splitlines()
    return sum(float(one.rsplit(" ", 1)[1]) for one in said if one.startswith(line))


def test_an_upload_that_trickles_is_ended(listen: Callable[..., int]) -> None:
    port = listen(allowance={"upload_seconds": 0.5})
    with opened(port, 100_000) as sender:
        status, said = answered(sender)
    assert status == 408
    jsonschema.validate(said, ERROR)


@pytest.mark.slow
def test_uploads_that_stop_on_their_way_make_room(listen: Callable[..., int], home: Path) -> None:
    port = listen()
    data = (home / "corpus" / "00002.png").read_bytes()
    end = b"\r\n--B--\r\n"
    with ExitStack() as senders:
        stopped = [senders.enter_context(opened(port, 1 << 20)) for _ in range(100)]
        time.sleep(0.5)
        for _ in range(5):
            with opened(port, len(PART_OF_FILE) + len(data) + len(end)) as person:
                person.sendall(data + end)
                status, said = answered(person)
            assert (status, said["hits"][0]["verdict"]) == (200, "exact")
        status, said = answered(stopped[0])
        assert status == 408
        jsonschema.validate(said, ERROR)


def test_many_who_ask_at_once_are_not_taken_for_slow(listen: Callable[..., int]) -> None:
    port = listen()
    body = b'{"sample_id": 1, "verify": false, "k": 1}'
    head = (
        "POST /api/v1/search HTTP/1.1\r\nHost: localhost\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    with ExitStack() as askers:
        address = ("127.0.0.1", port)
        all_ = [askers.enter_context(socket.create_connection(address, 60)) for _ in range(200)]
        for one in all_:
            one.sendall(head.encode())
        for one in all_:
            one.sendall(body)
        assert {answered(one)[0] for one in all_} == {200}


def test_uploads_that_are_cut_off_leave_nothing_behind(
    listen: Callable[..., int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    uploads = tmp_path / "uploads"
    uploads.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(uploads))
    port = listen()
    for sent in (0, 1, 1000, 50_000):
        with opened(port, 100_000) as sender:
            sender.sendall(b"\x89PNG" + b"\0" * sent)
    line = 'dfindex_requests_total{method="POST",route="/api/v1/search"'
    until = time.monotonic() + 30
    while metric(port, line) < 4 and time.monotonic() < until:
        time.sleep(0.05)
    assert metric(port, line) == 4
    assert metric(port, line + ',status="400"') == 4
    assert len(list(uploads.iterdir())) == 1
    assert list(uploads.glob("*/*")) == []
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz") as answer:
        assert answer.status == 200


def test_search_by_id_reads_no_file_of_that_name(
    client: TestClient, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    number = ids(home)["00003.png"]
    monkeypatch.chdir(tmp_path)
    picture(12345).save(tmp_path / "x.png")
    (tmp_path / "x.png").rename(tmp_path / str(number))
    found = client.post("/api/v1/search", json={"sample_id": number, "k": 1}).json()
    assert Path(found["query"]["path"]).name == "00003.png"
