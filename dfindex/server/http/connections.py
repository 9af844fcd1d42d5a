"""How long clients are waited for that send slowly, half a request, or do not take their answer."""

from __future__ import annotations

import asyncio
from enum import Enum, auto
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from dfindex.server.settings import Allowance

_REST_SECONDS = 2.0  # in which a client that is still sending can take its answer
_REST_BYTES = 1 << 20  # that are read of such a body, and thrown away
_PACE = 1 << 16  # bytes a second: who sends as much has not kept us waiting


class _Awaited(Enum):
    """What the client has to do next."""

    HEAD = auto()
    BODY = auto()  # `intake` bounds that
    REST = auto()  # of a body that was answered already
    TAKING = auto()  # the answer


class PatientProtocol(H11Protocol):
    """HTTP/1.1 of uvicorn, which by itself waits for the rest of a request for ever.

    Beyond the connections that are allowed, the client that was waited for the longest gives way
    to a new one, so that those who send nothing shut out nobody.
    """

    def __init__(self, allowance: Allowance, **named: Any) -> None:
        super().__init__(**named)
        self._seconds = {_Awaited.HEAD: allowance.head_seconds, _Awaited.REST: _REST_SECONDS}
        self._most = allowance.open_connections
        self._awaited: _Awaited | None = None
        self._since = 0.0
        self._received = 0
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait, and end another connection where there are too many."""
        super().connection_made(transport)
        self._look()
        self._make_room()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait no longer."""
        self._wait_for(None)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take what was sent."""
        self._received += len(data)
        if self._awaited is _Awaited.REST and self._received > _REST_BYTES:
            self.transport.pause_reading()
            return
        super().data_received(data)
        self._look()

    def on_response_complete(self) -> None:
        """Begin to wait for the next request, or for the rest of this one."""
        super().on_response_complete()
        self._look()

    def pause_writing(self) -> None:
        """Begin to wait until the client takes more of the answer."""
        super().pause_writing()
        self._look()

    def resume_writing(self) -> None:
        """Go on with the answer."""
        super().resume_writing()
        self._look()

    def shutdown(self) -> None:
        """End the connection: at once where it is the client that is waited for."""
        if self._awaited is None:
            super().shutdown()
        else:
            self.transport.abort()

    def lateness(self) -> float:
        """Return the seconds that the client has kept us waiting."""
        if self._awaited is None:
            return 0.0
        return self.loop.time() - self._since - self._received / _PACE

    def _make_room(self) -> None:
        others = [one for one in self.connections if isinstance(one, PatientProtocol)]
        excess = len(others) - self._most
        if excess <= 0:
            return
        others.remove(self)
        late = sorted(others, key=PatientProtocol.lateness, reverse=True)
        # Some more than that, since it takes a look at all of them.
        for one in late[: excess + self._most // 10]:
            if one.lateness() > 0:
                one.transport.abort()

    def _look(self) -> None:
        awaited = self._next()
        if awaited is not self._awaited:
            self._wait_for(awaited)

    def _next(self) -> _Awaited | None:
        if self.transport.is_closing():
            return None
        if self.flow.write_paused:
            return _Awaited.TAKING
        if self.conn.their_state is h11.IDLE:
            return _Awaited.HEAD
        if self.conn.their_state is not h11.SEND_BODY or self.flow.read_paused:
            return None
        return _Awaited.REST if self.conn.our_state is h11.DONE else _Awaited.BODY

    def _wait_for(self, awaited: _Awaited | None) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._awaited, self._since, self._received = awaited, self.loop.time(), 0
        seconds = None if awaited is None else self._seconds.get(awaited)
        self._timer = None if seconds is None else self.loop.call_later(seconds, self._give_up)

    def _give_up(self) -> None:
        self.transport.close()
