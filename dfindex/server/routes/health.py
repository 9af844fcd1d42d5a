"""What those who run the service ask it: whether it answers, is ready, and how it does."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.responses import JSONResponse, Response

from dfindex.server.routes.dependencies import TheService

health = APIRouter(include_in_schema=False)


@health.get("/healthz")
async def healthz() -> Response:
    """Say that the process answers."""
    return JSONResponse({"status": "ok"})


@health.get("/readyz")
async def readyz(service: TheService) -> Response:
    """Say which generation is open; the model has been loaded by then."""
    generation = await service.look(lambda index: index.generation)
    return JSONResponse({"status": "ready", "generation": generation})


@health.get("/metrics")
async def metrics(service: TheService) -> Response:
    """Return the service's measurements."""
    return service.metrics.response()
