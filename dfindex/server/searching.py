"""Searches as requests ask for them: by a file, by a sample, by several samples' vectors."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from dfindex.index import Index
from dfindex.server.http.departures import Stop
from dfindex.server.http.errors import Problem
from indexer.media.files import Limits
from indexer.types import Kind, Sample
from search.options import SearchOptions
from search.results import AnyResult, PictureResult
from search.videos.clips import ClipReader


def known_sample(index: Index, sample_id: int) -> Sample:
    """Return a sample, whatever became of its file; a 404 where there is none of that id."""
    found = index.catalog.samples([sample_id])
    if not found:
        raise unknown_sample(sample_id)
    return found[0]


def sample_of(index: Index, sample_id: int) -> Sample:
    """Return a sample, and whether its file is there; a 404 where there is none of that id."""
    found = known_sample(index, sample_id)
    absent = index.originals.absent([found])
    return found.without_file(absent[sample_id]) if absent else found


def unknown_sample(sample_id: int) -> Problem:
    """Return the 404 for an id."""
    return Problem(404, f"the index holds no sample {sample_id}", "take an id from a search's hits")


def stored(
    index: Index, ids: Sequence[int], options: SearchOptions
) -> dict[int, PictureResult | None]:
    """Search for samples by their stored vectors; None is of frames, unknown ids are left out."""
    frames = [one.id for one in index.catalog.samples(ids) if one.kind is Kind.FRAME]
    pictures = [one for one in ids if one not in frames]
    found = index.searcher(options.space).search_samples(pictures, options)
    answers = {one: answer for one, answer in zip(pictures, found, strict=True) if answer}
    return {**answers, **dict.fromkeys(frames)}


def searched(
    index: Index,
    query: Path | Sample,
    options: SearchOptions,
    stop: Stop,
    *,
    clip: bool,
    limits: Limits | None = None,
) -> AnyResult:
    """Search with a picture, or with a clip until nobody waits for it."""
    searcher = index.searcher(options.space)
    with ClipReader(searcher.encoder, limits=limits) as reader, stop.ends(reader.halt):
        return searcher.search(query, options, moves=clip, reader=reader)
