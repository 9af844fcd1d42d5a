"""Addresses of the service, which a proxy may show below a path of its own."""

from __future__ import annotations

from fastapi import Request
from starlette.responses import RedirectResponse
from starlette.types import Scope


def path_of(scope: Scope) -> str:
    """Return a request's path as the routes know it, below the service's root."""
    path: str = scope["path"]
    return path.removeprefix(root_of(scope))


def root_of(scope: Scope) -> str:
    """Return what stands before every address of the service."""
    root: str = scope.get("root_path", "")
    return root


def see(request: Request, address: str) -> RedirectResponse:
    """Lead to another page of the service."""
    return RedirectResponse(root_of(request.scope) + address, 303)
