"""Run the service until it is told to stop."""

from __future__ import annotations

import math
import socket
from collections.abc import Callable
from functools import partial

import uvicorn
from starlette.types import ASGIApp

from dfindex.server.app import create_app
from dfindex.server.http.connections import PatientProtocol
from dfindex.server.settings import Allowance, ServerSettings
from indexer.errors import UsageError

_BUSY = 32  # connections beyond those kept open, until requests are refused
_GRACE = 4  # seconds that requests under way have to end


def run(settings: ServerSettings, *, say: Callable[[str], None]) -> None:
    """Listen and answer until SIGINT or SIGTERM, then let the requests under way end.

    Raise UsageError where the address cannot be listened on, DfindexError where the index cannot
    be opened.
    """
    listening = _listening(settings)
    with listening:
        app = create_app(settings)
        host = f"[{settings.host}]" if ":" in settings.host else settings.host
        say(f"serving {settings.index} at http://{host}:{listening.getsockname()[1]}/")
        server_of(app, settings.allowance).run(sockets=[listening])


def server_of(app: ASGIApp, allowance: Allowance) -> uvicorn.Server:
    """Return what listens for the application, and waits for no client for ever."""
    config = uvicorn.Config(
        app,
        http=partial(PatientProtocol, allowance),  # type: ignore[arg-type]
        ws="none",
        log_level="warning",
        access_log=False,
        server_header=False,
        date_header=True,
        limit_concurrency=allowance.open_connections + _BUSY,
        timeout_keep_alive=math.ceil(allowance.head_seconds),
        timeout_graceful_shutdown=_GRACE,
        h11_max_incomplete_event_size=32 << 10,
        proxy_headers=False,
    )
    return uvicorn.Server(config)


def _listening(settings: ServerSettings) -> socket.socket:
    host = settings.host.strip("[]")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((host, settings.port))
        listening.listen(
            settings.allowance.open_connections
        )  # who connects from now on waits, and is not refused
    except OSError as error:
        listening.close()
        raise UsageError(
            f"expected to listen on {settings.host} port {settings.port}, "
            f"got: {error.strerror or error}; give another --host or --port"
        ) from error
    return listening
