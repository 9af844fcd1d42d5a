"""The templates of reports and of the service's pages, and the words and numbers they need."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from jinja2 import Environment, FileSystemLoader, select_autoescape

import dfindex
from dfindex import availability
from dfindex.places import page_of, place_of
from search.verdict import COPIES, WORDS, tone_of
from search.videos.description import clock as clock_of

_WITHIN = 0.0005  # seconds
_UNITS = ("B", "KiB", "MiB", "GiB", "TiB")


def rendered(name: str, **values: Any) -> str:
    """Render a template, such as ``reports/search.html`` or ``service/corpus.html``."""
    return environment().get_template(name).render(values)


@cache
def environment() -> Environment:
    """Return the one environment of all templates."""
    home = Path(__file__).parent
    made = Environment(
        loader=FileSystemLoader([home / "templates", home / "server" / "static"]),
        autoescape=select_autoescape(),
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters |= availability.WORDS | {"page": page_of, "place": place_of, "tone": tone_of}
    made.filters.update(
        basename=basename,
        size=size,
        clock=clock,
        time=clock_of,
        day=day,
        given=given,
        moment=moment,
    )
    made.globals.update(words=WORDS, copies=COPIES, version=dfindex.__version__, now=now)
    return made


def now() -> str:
    """Return the time, to the minute."""
    return datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")


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
