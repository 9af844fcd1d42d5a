"""Pages of the service as answers to requests."""

from __future__ import annotations

from typing import Any

from fastapi import Request
from starlette.responses import HTMLResponse

from dfindex.server.http.addresses import path_of, root_of
from dfindex.server.settings import Role
from dfindex.templating import rendered


def page(request: Request, name: str, *, status: int = 200, **values: Any) -> HTMLResponse:
    """Render a template; ``part`` tells it that only a part of the page is asked for."""
    service = request.app.state.service
    role = getattr(request.state, "role", None)
    text = rendered(
        f"service/{name}",
        part=request.headers.get("hx-request") == "true",
        path=path_of(request.scope),
        root=root_of(request.scope),
        may_edit=role is Role.EDITOR,
        signed_in=service.access.needs_token and role is not None,
        **values,
    )
    return HTMLResponse(text, status, {"Vary": "HX-Request"})
