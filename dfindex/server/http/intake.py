"""What a request may bring: so many bytes, in so much time, and not at a crawl."""

from __future__ import annotations

import asyncio
from contextlib import suppress

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from dfindex.server.http.addresses import path_of
from dfindex.server.http.errors import Problem
from dfindex.server.settings import Allowance

_UPLOADS = ("/search", "/api/v1/search", "/api/v1/compare")
_LABELS = "/api/v1/labels"
_FORM = 1 << 20  # bytes that a form is larger than its file
_LONGEST_LABELLING = 4 << 20  # bytes of a body that names as many samples as may be
_SMALL = 64 << 10
_TOKEN = 4 << 10  # of who has shown none yet
_STALL = 10.0  # seconds
_PACE = 1 << 10  # bytes a second that make up for time
_AT_LEAST = 1.0  # seconds that every body has
_AT_ONCE = 32  # bodies that are on their way


class Intake:
    """Hands requests on with bodies that end; who reads another gets a 413 or 408 raised.

    Where too many are on their way at once, the one that is the furthest behind is given up.
    """

    def __init__(self, app: ASGIApp, allowance: Allowance) -> None:
        self._app = app
        self._allowance = allowance
        self._coming: set[_Body] = set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one connection."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        known = scope["state"]["role"] is not None
        body = _Body(
            receive,
            self._coming,
            most=self._most(path_of(scope), media_type(headers)) if known else _TOKEN,
            seconds=self._allowance.upload_seconds if known else _STALL,
            claimed=_length(headers),
        )
        try:
            await self._app(scope, body.receive, send)
        finally:
            self._coming.discard(body)

    def _most(self, path: str, kind: str) -> int:
        if path in _UPLOADS and kind == "multipart/form-data":
            return self._allowance.upload_bytes + _FORM
        return _LONGEST_LABELLING if path == _LABELS else _SMALL


class _Body:
    """The body of one request; among those ``coming`` from when it is waited for until it is there.

    ``claimed`` is what its sender says of its bytes.
    """

    def __init__(
        self, receive: Receive, coming: set[_Body], *, most: int, seconds: float, claimed: int
    ) -> None:
        self._receive = receive
        self._coming = coming
        self._most = most
        self._seconds = seconds
        self._claimed = claimed
        self._read = 0
        self._began: float | None = None
        self._waiting: asyncio.Timeout | None = None
        self._whole = False

    async def receive(self) -> Message:
        """Return the next message; raise a 413 or 408 where there is too much, or too late."""
        if self._whole:
            return await self._receive()  # that the client leaves
        if self._claimed > self._most:
            raise too_large(self._most)
        message = await self._part()
        self._read += len(message.get("body", b""))
        if self._read > self._most:
            raise too_large(self._most)
        self._whole = not message.get("more_body", False)
        if self._whole:
            self._coming.discard(self)
        return message

    def lateness(self) -> float:
        """Return the seconds that it is behind a line of little pace."""
        now = asyncio.get_running_loop().time()
        return now - self._since() - self._read / _PACE

    def give_up(self) -> None:
        """Wait for it no longer."""
        if self._waiting is not None:
            with suppress(RuntimeError):  # it has just come
                self._waiting.reschedule(0.0)

    async def _part(self) -> Message:
        self._begin()
        stalled = self._since() + _STALL + self._read / _PACE
        try:
            async with asyncio.timeout_at(min(stalled, self._since() + self._seconds)) as waiting:
                self._waiting = waiting
                return await self._receive()
        except TimeoutError as error:
            words = f"the request took longer than {self._seconds:.0f} s to arrive, or stopped"
            raise Problem(408, words, "send it again over a faster line") from error
        finally:
            self._waiting = None

    def _begin(self) -> None:
        """Be one of those that come, and have the last of too many given up."""
        if self._began is None:
            self._began = asyncio.get_running_loop().time()
            self._coming.add(self)
            if len(self._coming) > _AT_ONCE:
                last = max(self._coming, key=_Body.lateness)
                if last.lateness() > _AT_LEAST:
                    last.give_up()

    def _since(self) -> float:
        assert self._began is not None
        return self._began


def media_type(headers: Headers) -> str:
    """Return what a request says that its body is, without parameters."""
    return headers.get("content-type", "").partition(";")[0].strip().lower()


def too_large(limit: int) -> Problem:
    """Return the 413 for a body above a limit in bytes."""
    return Problem(
        413,
        f"expected at most {limit >> 10} KiB, got more",
        "send a smaller file, or start the service with a larger --max-upload",
    )


def _length(headers: Headers) -> int:
    claimed = headers.get("content-length", "")
    return int(claimed) if claimed.isascii() and claimed.isdigit() and len(claimed) < 20 else 0
