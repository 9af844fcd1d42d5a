"""Run the service until it is told to stop."""

from __future__ import annotations

import socket
from collections.abc import Callable

import uvicorn

from dfindex.server.app import create_app
from dfindex.server.settings import ServerSettings
from indexer.errors import UsageError

_CONNECTIONS = 512
_GRACE = 10  # seconds that requests under way have to end


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
        config = uvicorn.Config(
            app,
            log_level="warning",
            access_log=False,
            server_header=False,
            date_header=True,
            limit_concurrency=_CONNECTIONS,
            timeout_keep_alive=15,
            timeout_graceful_shutdown=_GRACE,
            h11_max_incomplete_event_size=32 << 10,
            proxy_headers=False,
        )
        uvicorn.Server(config).run(sockets=[listening])


def _listening(settings: ServerSettings) -> socket.socket:
    host = settings.host.strip("[]")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((host, settings.port))
        listening.listen(_CONNECTIONS)  # who connects from now on waits, and is not refused
    except OSError as error:
        listening.close()
        raise UsageError(
            f"expected to listen on {settings.host} port {settings.port}, "
            f"got: {error.strerror or error}; give another --host or --port"
        ) from error
    return listening
