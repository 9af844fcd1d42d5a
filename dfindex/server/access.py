"""Who a request comes from: tokens compared in constant time, and the cookie for the page."""

from __future__ import annotations

import hashlib
import hmac
import secrets
import threading
import time
from collections import OrderedDict, deque

from dfindex.server.settings import Role, ServerSettings

COOKIE = "dfindex_session"
_CLIENTS = 4096  # whose rates are remembered


class Access:
    """Tells the role of a request from its token or its cookie.

    The cookie holds no token, but a digest of it under a key that dies with the process.
    """

    def __init__(self, settings: ServerSettings) -> None:
        self._open = None if settings.tokens else settings.open_role
        self._key = secrets.token_bytes(32)
        self._tokens = [(token.encode(), role) for token, role in settings.tokens.items()]

    @property
    def needs_token(self) -> bool:
        """Whether a client has to show a token."""
        return self._open is None

    def role(self, authorization: str | None, cookie: str | None) -> Role | None:
        """Return what a client may do, None where it is not known."""
        if self._open is not None:
            return self._open
        scheme, _, token = (authorization or "").partition(" ")
        if scheme.lower() == "bearer":
            return self.role_of(token.strip())
        return self._role_of_cookie(cookie or "")

    def role_of(self, token: str) -> Role | None:
        """Return the role of a token; every known one is compared, whichever fits."""
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
        self._seen: OrderedDict[str, deque[float]] = OrderedDict()

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
        self._seen.move_to_end(client)
        while times and now - times[0] > 60:
            times.popleft()
        if len(self._seen) > _CLIENTS:
            self._seen.popitem(last=False)
        return times
