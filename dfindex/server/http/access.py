"""Who a request comes from: tokens compared in constant time, guessed slowly, and the cookie."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import secrets
import threading
import time
from collections import Counter, deque

from cachetools import LRUCache

from dfindex.server.http.errors import Problem
from dfindex.server.settings import Role, ServerSettings

COOKIE = "dfindex_session"
_CLIENTS = 4096  # whose rates are remembered
_GUESSES = 4  # of one client that are held at a time


class Access:
    """Tells the role of a request from its token or its cookie.

    The cookie holds no token, but a digest of it under a key that dies with the process.
    """

    def __init__(self, settings: ServerSettings) -> None:
        self._open = None if settings.tokens else settings.open_role
        self._key = secrets.token_bytes(32)
        self._tokens = [(token.encode(), role) for token, role in settings.tokens.items()]
        self._wrong = Rate(settings.allowance.wrong_tokens_a_minute)
        self._hold_seconds = settings.allowance.guess_seconds
        self._held: Counter[str] = Counter()
        self._known: LRUCache[tuple[str, bytes], None] = LRUCache(_CLIENTS)

    @property
    def needs_token(self) -> bool:
        """Whether a client has to show a token."""
        return self._open is None

    async def role(self, client: str, authorization: str | None, cookie: str | None) -> Role | None:
        """Return what a client may do, None where it is not known; see `role_of`."""
        if self._open is not None:
            return self._open
        scheme, _, token = (authorization or "").partition(" ")
        if scheme.lower() == "bearer":
            return await self.role_of(client, token.strip())
        return self._role_of_cookie(cookie or "")

    async def role_of(self, client: str, token: str) -> Role | None:
        """Return the role of a token, None where it is wrong.

        Who was often wrong in the last minute waits for the answer, right or wrong, and gets a
        429 if it is wrong, or where more of its tokens wait than may. A token that was right of
        the same client before is answered at once, whoever else guesses from its address.
        """
        digest = hashlib.sha256(token.encode("utf-8", "surrogateescape")).digest()
        if (client, digest) in self._known:
            return self._found(token)
        wait = self._wrong.wait(client)
        if wait:
            await self._hold(client, wait)
        role = self._found(token)
        if role is not None:
            self._known[client, digest] = None
            return role
        self._wrong.count(client)
        if wait:
            raise _too_many(wait)
        return None

    async def _hold(self, client: str, wait: int) -> None:
        if self._held[client] >= _GUESSES:
            raise _too_many(wait)
        self._held[client] += 1
        try:
            await asyncio.sleep(self._hold_seconds)
        finally:
            self._held[client] -= 1
            self._held += Counter()  # drops who holds none

    def _found(self, token: str) -> Role | None:
        """Compare every known token, whichever fits."""
        found = None
        given = token.encode("utf-8", "surrogateescape")
        for known, role in self._tokens:
            if hmac.compare_digest(known, given):
                found = role
        return found

    def cookie(self, token: str) -> str:
        """Return what the cookie of a token's holder says."""
        return hmac.new(self._key, token.encode(), hashlib.sha256).hexdigest()

    def _role_of_cookie(self, cookie: str) -> Role | None:
        found = None
        given = cookie.encode("utf-8", "surrogateescape")
        for known, role in self._tokens:
            if hmac.compare_digest(self.cookie(known.decode()).encode(), given):
                found = role
        return found


class Rate:
    """Allows each client so many events a minute."""

    def __init__(self, a_minute: int) -> None:
        self._most = a_minute
        self._guard = threading.Lock()
        self._seen: LRUCache[str, deque[float]] = LRUCache(_CLIENTS)

    def wait(self, client: str) -> int:
        """Return the seconds until a client's next event is allowed, 0 for now."""
        now = time.monotonic()
        with self._guard:
            times = self._times(client, now)
            return 0 if len(times) < self._most else 1 + int(60 - (now - times[0]))

    def count(self, client: str) -> None:
        """Note one event."""
        now = time.monotonic()
        with self._guard:
            self._times(client, now).append(now)

    def _times(self, client: str, now: float) -> deque[float]:
        times = self._seen.setdefault(client, deque())
        while times and now - times[0] > 60:
            times.popleft()
        return times


def _too_many(wait: int) -> Problem:
    return Problem(
        429,
        "too many wrong tokens came from this address",
        f"try again in {wait} s",
        headers={"Retry-After": str(wait)},
    )
