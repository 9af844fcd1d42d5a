"""What every route depends on: the service, and who may change things."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Request

from dfindex.server.http.errors import Problem
from dfindex.server.service import Service
from dfindex.server.settings import Role


# Both are coroutines because FastAPI runs a plain function on another thread, at every request.
async def service_of(request: Request) -> Service:
    """Return the service of the application."""
    service: Service = request.app.state.service
    return service


async def editor(request: Request) -> None:
    """Refuse who may only look."""
    if request.state.role is not Role.EDITOR:
        raise Problem(403, "this needs the role editor, yours is viewer", "use an editor's token")


TheService = Annotated[Service, Depends(service_of)]
