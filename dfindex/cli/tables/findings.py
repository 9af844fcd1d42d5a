"""The answer to a search on the terminal: findings, then one line for what is only near."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rich.cells import cell_len
from rich.text import Text

from dfindex.cli.tables.console import Screen, shown_on, visible
from dfindex.cli.tables.search import STYLES, say_unavailable
from dfindex.findings import facts, rest, shown_path
from dfindex.places import page_of, place_of
from search.verdict import CALLED, COPIES, tone_of
from search.videos.results import VideoQuery

if TYPE_CHECKING:
    from search.results import AnyResult, Hit

_TOLD = 4  # findings that have a line of their own for what was changed


def answer(result: AnyResult, roots: Sequence[str], *, verified: bool, where: str) -> None:
    """Show what was found, in two lines each where these are few, and how much was searched.

    ``verified`` says that pixels were to be compared, ``where`` which samples alone were searched.
    """
    console = shown_on()
    searched = _searched(result, where)
    found = [hit for hit in result.hits if hit.verdict in COPIES]
    for hit in found:
        _shown(console, *_headline(hit, result, roots))
        words = "; ".join(facts(hit, result))
        if words and len(found) <= _TOLD:
            _shown(console, Text(f"  {words}"))
    if not found:
        name = Path(result.query.path).name
        compared = verified and result.query.available
        words = f"No copy of {name} in {searched}."
        doubt = f"No exact copy of {name} in {searched}; no pixels were compared."
        _shown(console, Text(words if compared else doubt, "bold"))
    others = rest(result)
    if others:
        _shown(console, Text(f"{others}: --all", "dim"))
    say_unavailable(result)
    if found:
        _shown(console, Text(f"Searched {searched}.", "dim"))


def _headline(hit: Hit, result: AnyResult, roots: Sequence[str]) -> tuple[Text, str]:
    """Return a verdict, and the path and place that it is of."""
    place = (page_of if isinstance(result.query, VideoQuery) else place_of)(hit.sample)
    words = Text(f"{CALLED[hit.verdict]} of ", STYLES[tone_of(hit.verdict)])
    return words, shown_path(hit.sample.path, roots) + place


def _searched(result: AnyResult, where: str) -> str:
    done = result.completeness
    files = f"{done.indexed} files" if done.indexed != 1 else "1 file"
    files = f"those of {files} that meet the filter" if where else files
    return f"{files}, {done.failed} more could not be read" if done.failed else files


def _shown(console: Screen, text: Text, path: str = "") -> None:
    """Print a line; on a terminal a path that is too long for it keeps its end."""
    path = visible(path)
    if console.is_terminal and path:
        room = console.width - text.cell_len
        if cell_len(path) > room:
            while path and cell_len(path) > room - 1:
                path = path[1:]
            path = f"…{path}"
    console.print(text.append(path, "bold") if path else text, soft_wrap=not console.is_terminal)
