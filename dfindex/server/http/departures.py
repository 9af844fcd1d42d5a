"""Clients that go away before their answer is there: what is done for them is ended."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from starlette.types import ASGIApp, Message, Receive, Scope, Send


class Stop:
    """Tells a job that nobody waits for it any more; called once, from whatever thread."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._halts: list[Callable[[], object]] = []
        self.called = False

    def __call__(self) -> None:
        """End what the job is doing."""
        with self._guard:
            self.called = True
            for halt in self._halts:
                halt()

    @contextmanager
    def ends(self, halt: Callable[[], object]) -> Iterator[None]:
        """Have ``halt`` called when nobody waits any more, or at once where that is so already."""
        with self._guard:
            self._halts.append(halt)
            if self.called:
                halt()
        try:
            yield
        finally:
            with self._guard:
                self._halts.remove(halt)


class Departures:
    """Cancels the application's work on a request whose client has gone.

    That is noticed once the whole request has arrived; one that is cut off before is for the
    application to tell.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one connection."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        line = _Line(receive, send)
        work = asyncio.ensure_future(self._app(scope, line.receive, line.send))
        listening = asyncio.ensure_future(line.listen(work.cancel))
        try:
            await work
        except asyncio.CancelledError:
            if not line.gone:
                raise  # it is the service that ends
        finally:
            listening.cancel()


class _Line:
    """Hands on the messages of one request while it listens for the client's leaving."""

    def __init__(self, receive: Receive, send: Send) -> None:
        self._receive, self._send = receive, send
        self._heard: asyncio.Queue[Message] = asyncio.Queue(1)  # more would fill the memory
        self._answered = False
        self.gone = False

    async def listen(self, leave: Callable[[], object]) -> None:
        """Read ahead by one message; call ``leave`` where the client goes without an answer."""
        whole = False
        while True:
            message = await self._receive()
            left = message["type"] == "http.disconnect"
            if left and whole:
                if not self._answered:
                    self.gone = True
                    leave()
                return
            await self._heard.put(message)
            if left:
                return
            whole = not message.get("more_body", False)

    async def receive(self) -> Message:
        """Return the next message of the request."""
        return await self._heard.get()

    async def send(self, message: Message) -> None:
        """Send one message of the answer."""
        if message["type"] == "http.response.body" and not message.get("more_body", False):
            self._answered = True
        await self._send(message)
