"""Addresses of the service, which a proxy may show below a path of its own."""

from __future__ import annotations

import ipaddress

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


def client_of(scope: Scope) -> str:
    """Return whom a request counts for: an address, of IPv6 the network that one host has."""
    host = (scope.get("client") or ("",))[0]
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return str(host)
    address = getattr(address, "ipv4_mapped", None) or address
    return str(ipaddress.ip_network((address, 64 if address.version == 6 else 32), strict=False))


def see(request: Request, address: str) -> RedirectResponse:
    """Lead to another page of the service."""
    return RedirectResponse(root_of(request.scope) + address, 303)
