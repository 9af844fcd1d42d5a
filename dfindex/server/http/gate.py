"""The gate every request passes: its host, its origin, its token; and what every answer carries."""

from __future__ import annotations

import ipaddress
import socket
import time
from collections.abc import Iterable
from typing import Any
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from dfindex.server.http.access import COOKIE, Access
from dfindex.server.http.addresses import client_of, path_of
from dfindex.server.http.errors import Problem
from dfindex.server.metrics import Metrics
from dfindex.server.routes.login import login_page
from dfindex.server.settings import Role, ServerSettings

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; "
    "media-src 'self'; connect-src 'self'; font-src 'self'; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'"
)
_ALWAYS = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), microphone=(), geolocation=()",
}
_READING = ("GET", "HEAD", "OPTIONS")


class Gate:
    """Lets a request through to the application, or answers it with what is wrong."""

    def __init__(
        self, app: ASGIApp, settings: ServerSettings, access: Access, metrics: Metrics
    ) -> None:
        self._app = app
        self._access = access
        self._metrics = metrics
        self._root = settings.root_path
        self._names = {"localhost", socket.gethostname().lower(), settings.host.lower()}
        self._names |= {name.lower() for name in settings.names}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one connection."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started, answer = time.perf_counter(), _Answer(send, bodiless=scope["method"] == "HEAD")
        inner = _routed(scope, self._root)
        try:
            await self._passed(inner, receive, answer.send)
        finally:
            route = getattr(inner.get("route"), "path", "none")
            status = str(answer.status or 499)
            self._metrics.requests.labels(route, _method(scope), status).inc()
            self._metrics.seconds.labels(route).observe(time.perf_counter() - started)

    async def _passed(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = Headers(scope=scope)
        try:
            self._check_host(headers)
            self._check_origin(scope, headers)
            scope.setdefault("state", {})["role"] = await self._role(scope, headers)
        except Problem as problem:
            answer = problem.response()
            if problem.status == 401 and "text/html" in headers.get("accept", ""):
                answer = login_page(scope["root_path"], failed=False)
            await answer(scope, receive, send)
            return
        await self._app(scope, receive, send)

    def _check_host(self, headers: Headers) -> None:
        """Refuse names that are not ours: a foreign page may have its name point here."""
        host = _host_name(headers.getlist("host"))
        if host is None or not (host in self._names or _is_address(host)):
            raise Problem(
                400,
                "the Host of this request is not a name of this service",
                "use the address the service printed when it started, or start it with "
                "--allow-host NAME",
            )

    def _check_origin(self, scope: Scope, headers: Headers) -> None:
        """Refuse what another site's page sends."""
        site = headers.get("sec-fetch-site")
        foreign = site in ("cross-site", "same-site") and (
            scope["method"] not in _READING or headers.get("sec-fetch-mode") != "navigate"
        )
        origin = headers.get("origin")
        if origin is not None and _network_place(origin) != headers["host"].lower():
            foreign = True
        if foreign:
            raise Problem(
                403, "requests from another site's page are refused", "use this service's page"
            )

    async def _role(self, scope: Scope, headers: Headers) -> Role | None:
        cookie = Request(scope).cookies.get(COOKIE)
        role = await self._access.role(client_of(scope), headers.get("authorization"), cookie)
        if role is None and (scope["method"], path_of(scope)) != ("POST", "/login"):
            raise Problem(
                401,
                "this service needs a token",
                "send it as Authorization: Bearer TOKEN, or sign in on the page",
                headers={"WWW-Authenticate": "Bearer"},
            )
        return role


class _Answer:
    """Adds the headers of every answer, and remembers its status; of a HEAD no body is sent."""

    def __init__(self, send: Send, *, bodiless: bool) -> None:
        self._send = send
        self._bodiless = bodiless
        self.status: int | None = None

    async def send(self, message: Message) -> None:
        """Send one message of the answer."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
            headers = MutableHeaders(scope=message)
            for name, value in _ALWAYS.items():
                headers.setdefault(name, value)
            headers.setdefault("cache-control", "no-store")
        elif self._bodiless:
            return
        await self._send(message)
        if self._bodiless:
            await self._send({"type": "http.response.body", "body": b"", "more_body": False})


def _routed(scope: Scope, root: str) -> Scope:
    """Return a request as the routes know it: below our root, and a HEAD as the GET it is of.

    A proxy may leave the root in the path, or take it away.
    """
    path = scope["path"]
    if path == root:
        path += "/"
    below = path if path.startswith(f"{root}/") else root + path
    method = "GET" if scope["method"] == "HEAD" else scope["method"]
    return {**scope, "root_path": root, "path": below, "method": method}


def _method(scope: dict[str, Any] | Scope) -> str:
    method = str(scope["method"])
    return method if method in (*_READING, "POST", "PUT", "DELETE", "PATCH") else "other"


def _host_name(hosts: Iterable[str]) -> str | None:
    """Return the name in a request's only Host header, None where there is not exactly one."""
    given = list(hosts)
    if len(given) != 1:
        return None
    try:
        return urlsplit(f"//{given[0]}").hostname
    except ValueError:
        return None


def _network_place(origin: str) -> str | None:
    """Return the host and port of an origin, None where it cannot be read."""
    try:
        return urlsplit(origin).netloc.lower()
    except ValueError:
        return None


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
