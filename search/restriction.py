"""Which samples a filter lets through."""

from __future__ import annotations

from indexer.errors import FilterError, IndexDamagedError, StoreError
from indexer.store.catalog.catalog import Catalog
from indexer.store.catalog.probe_scores import attach_scores
from indexer.types import Int64
from search.filters import parse_filter


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
