"""Clients that mean the service no good, for a time; run in a process of their own."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import time
from collections.abc import Callable, Coroutine, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_NICE = 10  # who attacks has another machine, and would not take the cores of this one
_PART = bytes(1 << 16)
_GIB = 1 << 30
_FORM = "Content-Type: application/x-www-form-urlencoded"
_UPLOAD = "Content-Type: multipart/form-data; boundary=B"
_BEGIN = b'--B\r\nContent-Disposition: form-data; name="file"; filename="x.mp4"\r\n\r\n'
ROUTES = (
    *("/", "/search", "/compare", "/login", "/logout", "/corpus", "/map", "/probes", "/duplicates"),
    *("/api/v1/search", "/api/v1/compare", "/api/v1/labels", "/api/v1/status", "/api/v1/samples"),
    *("/api/v1/duplicates", "/api/v1/probes/p/apply", "/samples/1/label", "/probes/p/apply"),
    *("/duplicates/decide", "/healthz", "/metrics", "/openapi.json", "/static/app.css", "/nothing"),
)


@dataclass(frozen=True, kw_only=True)
class SiegeTarget:
    """A service: ``token`` is a viewer's, ``lost`` are samples whose paths hold no files any more.

    ``clip`` takes minutes to read.
    """

    port: int
    token: str
    lost: tuple[int, ...]
    clip: Path
    connections: int
    guesses: int


_Attack = Callable[["_Wire"], Coroutine[Any, Any, None]]


class _Wire:
    """One connection to the service."""

    def __init__(
        self, target: SiegeTarget, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self.target = target
        self._reader = reader
        self._writer = writer

    async def send(self, data: bytes) -> None:
        """Send bytes; raise ConnectionError where the service has had enough."""
        self._writer.write(data)
        await self._writer.drain()
        if self._reader.at_eof():
            raise ConnectionResetError

    async def ask(self, method: str, path: str, *more: str, known: bool = False) -> None:
        """Send the head of a request, with the viewer's token where it is ``known``."""
        token = [f"Authorization: Bearer {self.target.token}"] if known else []
        lines = [f"{method} {path} HTTP/1.1", "Host: 127.0.0.1", *token, *more]
        await self.send(("\r\n".join(lines) + "\r\n\r\n").encode())

    async def trickle(self) -> None:
        """Send a byte every second."""
        while True:
            await self.send(b"x")
            await asyncio.sleep(1)

    async def answer(self) -> bytes:
        """Read what comes first of the answer."""
        return await self._reader.read(1 << 16)


async def silent(line: _Wire) -> None:
    """Send nothing."""
    await line.answer()


async def half_head(line: _Wire) -> None:
    """Send half a head, and a byte of it every second."""
    await line.send(b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Half: ")
    await line.trickle()


async def slow_body(line: _Wire) -> None:
    """Send a body without a token, byte by byte."""
    await line.ask("POST", "/login", _FORM, "Content-Length: 4000")
    await line.trickle()


async def slow_upload(line: _Wire) -> None:
    """Send an upload with a token, byte by byte."""
    await line.ask("POST", "/api/v1/search", _UPLOAD, f"Content-Length: {1 << 20}", known=True)
    await line.send(_BEGIN)
    await line.trickle()


async def stopped_upload(line: _Wire) -> None:
    """Send half an upload with a token, and then nothing."""
    await line.ask("POST", "/api/v1/search", _UPLOAD, f"Content-Length: {1 << 20}", known=True)
    await line.send(_BEGIN + _PART)
    await line.answer()


async def answer_not_taken(line: _Wire) -> None:
    """Ask for much, and take nothing of it."""
    for _ in range(20):
        await line.ask("GET", "/static/swagger-ui-bundle.js", known=True)
    await asyncio.sleep(30)


SLOW: tuple[_Attack, ...] = (
    *(silent, half_head, slow_body, slow_upload, stopped_upload, answer_not_taken),
)


async def flood(line: _Wire) -> None:
    """Send a body of 1 GiB to a route, without a token."""
    path = random.choice(ROUTES)
    await line.ask("POST", path, _FORM, f"Content-Length: {_GIB}")
    for _ in range(_GIB // len(_PART)):
        await line.send(_PART)


async def long_clip(line: _Wire) -> None:
    """Search with a clip that takes minutes, and wait for the answer."""
    data = _BEGIN + line.target.clip.read_bytes() + b"\r\n--B--\r\n"
    await line.ask("POST", "/api/v1/search", _UPLOAD, f"Content-Length: {len(data)}", known=True)
    await line.send(data)
    await line.answer()


async def lost_file(line: _Wire) -> None:
    """Ask for a file that is none any more, its picture, and what resembles it."""
    number = random.choice(line.target.lost)
    for path in (f"/api/v1/samples/{number}/file", f"/picture/s-{number}", f"/?query=s-{number}"):
        await line.ask("GET", path, "Connection: close", known=True)
        await line.answer()


async def guess(line: _Wire) -> None:
    """Guess a token."""
    word = random.randbytes(12).hex()
    await line.ask("GET", "/", f"Authorization: Bearer {word}")
    await line.answer()


def besiege(target: SiegeTarget, seconds: float) -> None:
    """Attack in all ways at once for a time."""
    os.nice(_NICE)
    asyncio.run(_attacked(target, time.monotonic() + seconds, seconds / max(1, target.guesses)))


async def _attacked(target: SiegeTarget, until: float, between_guesses: float) -> None:
    slow = [SLOW[number % len(SLOW)] for number in range(target.connections)]
    attacks: Iterable[tuple[_Attack, float]] = (
        *((one, 0.2) for one in slow),
        *((one, 0.5) for one in (flood, flood)),
        *((one, 0.5) for one in 6 * (long_clip,)),
        *((one, 0.2) for one in 4 * (lost_file,)),
        (guess, between_guesses),
    )
    await asyncio.gather(*(_again(target, until, one, pause) for one, pause in attacks))


async def _again(target: SiegeTarget, until: float, attack: _Attack, pause: float) -> None:
    """Attack over one connection after the other."""
    while (left := until - time.monotonic()) > 0:
        with contextlib.suppress(OSError, TimeoutError):
            reader, writer = await asyncio.open_connection("127.0.0.1", target.port)
            try:
                await asyncio.wait_for(attack(_Wire(target, reader, writer)), left)
            finally:
                writer.transport.abort()
        await asyncio.sleep(pause)
