"""Where in its file a sample lies, for people, to follow the file's path."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from indexer.types import Sample


def page_of(sample: Sample) -> str:
    """Return a page's number, nothing for what is of a file with one picture, or of a video."""
    return "" if sample.page is None else f", page {sample.page}"


def place_of(sample: Sample) -> str:
    """Return a page's number or a frame's time, nothing for what is the whole of a file."""
    return page_of(sample) if sample.time_s is None else f" at {sample.time_s:.1f} s"
