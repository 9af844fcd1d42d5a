"""The answer to a search on the terminal: findings, then one line for what is only near."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rich.text import Text

from dfindex.cli.tables.console import Screen, shown_on
from dfindex.cli.tables.search import STYLES, say_unavailable
from dfindex.findings import facts, rest, shown_path
from dfindex.places import page_of, place_of
from search.verdict import CALLED, COPIES, tone_of
from search.videos.results import VideoQuery

if TYPE_CHECKING:
    from search.results import AnyResult, Hit

_TOLD = 4  # findings that have a line of their own for what was changed


def answer(result: AnyResult, roots: Sequence[str]) -> None:
    """Show what was found, in two lines each where these are few, and how much was searched."""
    console = shown_on()
    found = [hit for hit in result.hits if hit.verdict in COPIES]
    for hit in found:
        _shown(console, _headline(hit, result, roots), from_its_end=True)
        words = "; ".join(facts(hit, result))
        if words and len(found) <= _TOLD:
            _shown(console, Text(f"  {words}"))
    if not found:
        name = Path(result.query.path).name
        _shown(console, Text(f"No copy of {name} in {_searched(result)}.", "bold"))
    others = rest(result)
    if others:
        _shown(console, Text(f"{others}: --all", "dim"))
    elif not result.hits:
        _shown(console, Text("Nothing reaches the threshold.", "dim"))
    say_unavailable(result)
    if found:
        _shown(console, Text(f"Searched {_searched(result)}.", "dim"))


def _headline(hit: Hit, result: AnyResult, roots: Sequence[str]) -> Text:
    place = (page_of if isinstance(result.query, VideoQuery) else place_of)(hit.sample)
    text = Text(f"{CALLED[hit.verdict]} of ", STYLES[tone_of(hit.verdict)])
    return text.append(shown_path(hit.sample.path, roots) + place, "bold")


def _searched(result: AnyResult) -> str:
    done = result.completeness
    files = f"{done.indexed} files" if done.indexed != 1 else "1 file"
    return f"{files}, {done.failed} more could not be read" if done.failed else files


def _shown(console: Screen, text: Text, *, from_its_end: bool = False) -> None:
    """Print a line, where it is for people as wide as their terminal; a path keeps its end."""
    if not console.is_terminal:
        console.print(text, soft_wrap=True)
        return
    wide = console.width
    if from_its_end and text.cell_len > wide:
        words = str(text).split(" of ", 1)[0] + " of "
        left = text[: len(words)]
        text = left + Text("…", "bold") + text[len(text) - (wide - len(words) - 1) :]
    console.print(text)
