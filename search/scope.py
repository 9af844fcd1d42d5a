"""What a search covers: an index at one generation, and in it the samples a filter lets through."""

from __future__ import annotations

from indexer.errors import FilterError, IndexDamagedError, StoreError
from indexer.store.catalog.catalog import Catalog
from indexer.store.catalog.probe_scores import attach_scores
from indexer.store.reader import IndexReader
from indexer.store.vectors.space import Space
from indexer.types import Int64
from search.filters import parse_filter
from search.results import Completeness, Searched


def allowed_ids(catalog: Catalog, where: str | None) -> Int64 | None:
    """Return the ids (n,) that meet a filter, None for all of them; raise FilterError."""
    if where is None:
        return None
    parsed = parse_filter(where)
    for name in parsed.probes:
        attach_scores(catalog, name)
    try:
        return catalog.filter(parsed.condition, parsed.parameters)
    except IndexDamagedError:
        raise
    except StoreError as error:
        raise FilterError(f"the filter {where!r} does not fit the columns: {error}") from error


def searched(reader: IndexReader, space: Space) -> Searched:
    """Return which generation of which index is searched, and in which space."""
    return Searched(
        path=str(reader.folder.path),
        generation=reader.catalog.generation,
        space=space.row.name,
        fingerprint=space.row.fingerprint,
    )


def completeness(reader: IndexReader) -> Completeness:
    """Return how much of the corpus stands behind an answer."""
    counts = reader.catalog.media_counts()
    return Completeness(seen=counts.seen, indexed=counts.indexed, failed=counts.failed)
