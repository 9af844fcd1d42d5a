"""What is said of files that could not be opened: in tables, on pages, in reports."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from indexer.types import Sample
    from search.results import Query


def of_sample(sample: Sample) -> str:
    """Return what became of a sample's file, nothing where it is there."""
    if sample.available:
        return ""
    return f"its file could not be opened: {sample.absence or 'unknown why'}"


def of_all(unavailable: int) -> str:
    """Return how many candidates' files could not be opened, nothing where all could."""
    if not unavailable:
        return ""
    files = "file of 1 candidate" if unavailable == 1 else f"files of {unavailable} candidates"
    return (
        f"The {files} could not be opened as indexed: gone, changed or unreadable. "
        "Their pixels were not compared."
    )


def of_query(query: Query) -> str:
    """Return that a sample was searched for without its file, nothing where it is there."""
    if query.available:
        return ""
    return (
        "The file of the sample that was searched for could not be opened as it was indexed: "
        "it was searched for by its stored vector, and no pixels were compared."
    )


WORDS = {"of_sample": of_sample, "of_all": of_all, "of_query": of_query}
