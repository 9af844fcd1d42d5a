"""What was found of videos, as tables for people."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.table import Table
from rich.text import Text

from dfindex.cli.tables.console import shown_on
from dfindex.cli.tables.search import path_text, say_unavailable
from search.videos.description import clock

if TYPE_CHECKING:
    from search.videos.results import VideoSearchResult


def video_hits_table(result: VideoSearchResult) -> None:
    """Show the videos that a video was found in, and where."""
    console = shown_on()
    done = result.completeness
    console.print(
        f"Searched {done.indexed} indexed of {done.seen} files ({done.failed} failed), "
        f"space {result.index.space}, with {result.query.frames} frames of "
        f"{clock(result.query.duration_s)}, in {result.timing_ms.total:.0f} ms."
    )
    say_unavailable(result)
    if not result.hits:
        console.print("Nothing reaches the threshold.")
        return
    table = Table()
    for column in ("", "score", "verdict", "path", "what was found"):
        table.add_column(column, overflow="fold", no_wrap=column == "verdict")
    for hit in result.hits:
        table.add_row(
            str(hit.rank),
            f"{hit.score:.4f}",
            hit.verdict.value,
            path_text(hit.sample),
            Text(hit.video.description),
        )
    console.print(table)
    if not result.found:
        console.print("No copy was found: these are only the nearest.")
