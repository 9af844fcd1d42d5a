"""Clients that send half a request, slowly or nothing, or take no answer: others do not notice."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from dfindex.server.settings import Role
from tests.dfindex.server.test_hostile import answered
from tests.marks import mostly_slow

TOKEN = "editor-token-0123456789"
HALF = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nX-Half: "
Listen = Callable[..., int]


@pytest.fixture
def connect() -> Iterator[Callable[[int, bytes], socket.socket]]:
    """Open connections, and send something over each."""
    with ExitStack() as opened:

        def to(port: int, data: bytes) -> socket.socket:
            client = socket.create_connection(("127.0.0.1", port), timeout=30)
            opened.enter_context(client)
            client.sendall(data)
            return client

        yield to


def get(path: str, more: str = "") -> bytes:
    return f"GET {path} HTTP/1.1\r\nHost: localhost\r\n{more}\r\n".encode()


def seconds_until_closed(client: socket.socket, trickle: bytes = b"") -> float:
    """Wait until the service ends a connection, and send a little every now and then."""
    started = time.monotonic()
    client.settimeout(0.1)
    while time.monotonic() - started < 30:
        try:
            if not client.recv(1 << 16):
                break
        except TimeoutError:
            pass
        except ConnectionError:
            break
        try:
            client.sendall(trickle)
        except ConnectionError:
            break
    return time.monotonic() - started


@pytest.mark.parametrize(
    ("sent", "trickle"),
    mostly_slow(
        [
            (b"", b""),
            (b"G", b""),
            (HALF, b""),
            (HALF, b"x"),  # byte after byte
            (get("/healthz"), b""),  # answered, and then silent
            (get("/healthz") + HALF, b"x"),  # answered, and then half another
        ],
        quick=4,
    ),
)
def test_a_head_comes_in_time_or_not_at_all(
    listen: Listen, connect: Callable[[int, bytes], socket.socket], sent: bytes, trickle: bytes
) -> None:
    port = listen(allowance={"head_seconds": 1.0})
    client = connect(port, sent)
    assert 0.5 < seconds_until_closed(client, trickle) < 5


def test_a_connection_is_used_again_and_again(
    listen: Listen, connect: Callable[[int, bytes], socket.socket]
) -> None:
    port = listen(allowance={"head_seconds": 1.0})
    client = connect(port, get("/healthz"))
    for _ in range(6):
        assert answered(client) == (200, {"status": "ok"})
        time.sleep(0.3)  # longer in all than a head may take
        client.sendall(get("/healthz"))


@pytest.mark.parametrize("sent", [b"", HALF, get("/healthz")])
def test_those_who_send_nothing_give_way(
    listen: Listen, connect: Callable[[int, bytes], socket.socket], sent: bytes
) -> None:
    port = listen(allowance={"connections": 20, "head_seconds": 60.0})
    for _ in range(80):
        connect(port, sent)
    time.sleep(1.2)
    for _ in range(30):
        started = time.monotonic()
        person = connect(port, get("/healthz"))
        assert answered(person)[0] == 200
        assert time.monotonic() - started < 2


def test_those_who_do_not_take_their_answer_give_way(
    listen: Listen, connect: Callable[[int, bytes], socket.socket]
) -> None:
    port = listen(allowance={"connections": 20})
    for _ in range(45):
        connect(port, 8 * get("/static/swagger-ui-bundle.js"))  # 14 MB that nobody reads
    time.sleep(1)
    for _ in range(5):
        assert answered(connect(port, get("/healthz")))[0] == 200


@pytest.mark.slow
def test_a_body_that_was_answered_is_not_read_to_its_end(
    listen: Listen, connect: Callable[[int, bytes], socket.socket]
) -> None:
    port = listen(tokens={TOKEN: Role.EDITOR})
    head = (
        "POST {} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1073741824\r\n"
        "Content-Type: application/x-www-form-urlencoded\r\n\r\n"
    )
    for path, status in (("/api/v1/search", 401), ("/login", 413), ("/nothing", 401)):
        client = connect(port, head.format(path).encode())
        assert answered(client)[0] == status
        assert seconds_until_closed(client, b"x") < 5
        flood = connect(port, head.format(path).encode())
        sent = 0
        with pytest.raises((ConnectionError, TimeoutError)):
            while sent < 1 << 30:
                sent += flood.send(b"x" * (1 << 16))
        assert sent < 64 << 20
    known = get("/healthz", f"Authorization: Bearer {TOKEN}\r\n")
    assert answered(connect(port, known))[0] == 200
