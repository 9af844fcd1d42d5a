"""What every method of copy detection in the benchmark offers, and how it opens pictures."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Protocol

from PIL import Image

from indexer.types import Float32


class Method(Protocol):
    """A method of finding the reference a query was made from.

    ``slow`` methods are run on a subset of the originals only.
    """

    name: str
    slow: bool

    def index(self, references: Sequence[Path]) -> None:
        """Read the references; called once, before any query."""

    def scores(self, queries: Sequence[Image.Image]) -> Float32:
        """Return (queries, references) similarities, higher = closer, comparable across queries."""


def opened(paths: Sequence[Path]) -> Iterator[Image.Image]:
    """Yield the pictures in RGB, one at a time."""
    for path in paths:
        with Image.open(path) as image:
            yield image.convert("RGB")
