"""The application: its routes behind the gate, and what happens when it starts and ends."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from fastapi import FastAPI, Request
from starlette.responses import JSONResponse, Response
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp

import dfindex
from dfindex.server.api import api
from dfindex.server.duplicate_pages import duplicate_api, duplicate_pages
from dfindex.server.errors import handle_errors
from dfindex.server.gate import Gate
from dfindex.server.pages import features, pages
from dfindex.server.pairs import Pairs
from dfindex.server.probe_pages import probe_api, probe_pages
from dfindex.server.service import Service
from dfindex.server.settings import ServerSettings

_HERE = Path(__file__).parent


def create_app(settings: ServerSettings) -> ASGIApp:
    """Make the application over an index; its model is loaded and warmed here.

    Raise DfindexError where the index cannot be opened.
    """
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
    with service.live.lease() as index:
        app.state.features = features(index)
    handle_errors(app)
    for router in (api, probe_api, pages, probe_pages):
        app.include_router(router)
    if "duplicates" in app.state.features:
        app.include_router(duplicate_api)
        app.include_router(duplicate_pages)
    app.mount("/static", StaticFiles(directory=_HERE / "static"), name="static")
    _add_probes(app, service)
    return Gate(app, settings, service.access, service.metrics)


def _add_probes(app: FastAPI, service: Service) -> None:
    @app.get("/healthz", include_in_schema=False)
    async def healthz() -> Response:
        """Say that the process answers."""
        return JSONResponse({"status": "ok"})

    @app.get("/readyz", include_in_schema=False)
    async def readyz(_: Request) -> Response:
        """Say which generation is open; the model has been loaded by then."""
        generation = await service.look(lambda index: index.generation)
        return JSONResponse({"status": "ready", "generation": generation})

    @app.get("/metrics", include_in_schema=False)
    async def metrics() -> Response:
        """Return the service's measurements."""
        return service.metrics.response()
