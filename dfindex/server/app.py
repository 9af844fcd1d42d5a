"""The application: its routes behind the gate, and what happens when it starts and ends."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from fastapi import FastAPI
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp

import dfindex
from dfindex.server.http.departures import Departures
from dfindex.server.http.errors import handle_errors
from dfindex.server.http.gate import Gate
from dfindex.server.http.intake import Intake
from dfindex.server.routes.api import api
from dfindex.server.routes.duplicates import duplicate_api, duplicate_pages
from dfindex.server.routes.health import health
from dfindex.server.routes.pages import pages
from dfindex.server.routes.probes import probe_api, probe_pages
from dfindex.server.service import Service
from dfindex.server.settings import ServerSettings
from dfindex.server.views.pairs import Pairs
from indexer.errors import UsageError

_HERE = Path(__file__).parent
_STATIC = "/static"
_ROUTERS = (api, probe_api, duplicate_api, pages, probe_pages, duplicate_pages, health)


def create_app(settings: ServerSettings) -> ASGIApp:
    """Make the application over an index; its model is loaded and warmed here.

    Raise DfindexError where the index cannot be opened.
    """
    _check_root(settings.root_path)
    service = Service(settings)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        service.close()

    app = FastAPI(
        title="dfindex",
        version=dfindex.__version__,
        description="Find near-duplicate and manipulated media.",
        docs_url=None,
        redoc_url=None,
        lifespan=lifespan,
    )
    app.state.service = service
    app.state.pairs = Pairs(service)
    handle_errors(app)
    for router in _ROUTERS:
        app.include_router(router)
    app.mount(_STATIC, StaticFiles(directory=_HERE / "static"), name="static")
    return Gate(
        Departures(Intake(app, settings.allowance)), settings, service.access, service.metrics
    )


def _check_root(root: str) -> None:
    """Raise UsageError where an address below the root could be taken for one without it."""
    known = [getattr(route, "path", "") for router in _ROUTERS for route in router.routes]
    if root and any(f"{path}/".startswith(f"{root}/") for path in (*known, _STATIC)):
        raise UsageError(
            f"expected --root-path to be no address of the service itself, got {root}; "
            "choose another, such as /dfindex"
        )
