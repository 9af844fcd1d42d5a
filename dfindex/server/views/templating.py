"""Templates, and the few words and numbers that they need."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from fastapi import Request
from jinja2 import Environment, FileSystemLoader, select_autoescape
from starlette.responses import HTMLResponse

import dfindex
from dfindex import availability
from dfindex.reports.search import WORDS
from dfindex.server.http.addresses import path_of, root_of
from dfindex.server.settings import Role

_WITHIN = 0.0005  # seconds
_UNITS = ("B", "KiB", "MiB", "GiB", "TiB")


def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parents[1] / "templates"),
        autoescape=select_autoescape(),
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        basename=basename, size=size, clock=clock, day=day, given=given, moment=moment
    )
    environment.filters.update(availability.WORDS)
    environment.globals.update(words=WORDS, version=dfindex.__version__)
    return environment


def basename(path: str) -> str:
    """Return a path's last part."""
    return path.rsplit("/", 1)[-1]


def moment(seconds: float) -> str:
    """Return a time as the fragment of a film's address, a little late to be within its frame."""
    return f"{seconds + _WITHIN:.4f}"


def given(values: Mapping[str, object]) -> str:
    """Return the values that there are as the query of an address."""
    there = {name: value for name, value in values.items() if value not in (None, "")}
    return urlencode(there)


def size(count: int) -> str:
    """Return a number of bytes as people say it."""
    value = float(count)
    for unit in _UNITS:
        if value < 1024 or unit == _UNITS[-1]:
            return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1024
    raise AssertionError(count)


def clock(seconds: float) -> str:
    """Return a time in a clip as minutes and seconds."""
    minutes, rest = divmod(float(seconds), 60)
    return f"{int(minutes)}:{rest:04.1f}"


def day(stamp: float) -> str:
    """Return a time of this machine's clock as a date."""
    return datetime.fromtimestamp(stamp, UTC).strftime("%Y-%m-%d %H:%M UTC")


ENVIRONMENT = _environment()


def page(request: Request, name: str, *, status: int = 200, **values: Any) -> HTMLResponse:
    """Render a template; ``part`` tells it that only a part of the page is asked for."""
    service = request.app.state.service
    role = getattr(request.state, "role", None)
    text = ENVIRONMENT.get_template(name).render(
        part=request.headers.get("hx-request") == "true",
        path=path_of(request.scope),
        root=root_of(request.scope),
        may_edit=role is Role.EDITOR,
        signed_in=service.access.needs_token and role is not None,
        **values,
    )
    return HTMLResponse(text, status, {"Vary": "HX-Request"})
