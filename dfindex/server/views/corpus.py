"""What the corpus page shows: the figures, who is writing, and what filters can choose from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from dfindex.index import Index
from dfindex.status import Status
from indexer.store.catalog.labels import label_values
from indexer.store.lock import writer_of

_MOST_FACETS = 200


@dataclass(frozen=True, kw_only=True)
class CorpusState:
    """The index in figures, and the process that writes to it now, if any."""

    status: Status
    writer: dict[str, Any] | None


def corpus_state(index: Index) -> CorpusState:
    """Return the state of the corpus."""
    return CorpusState(status=index.status(files=False), writer=writer_of(index.path))


def facets(index: Index) -> dict[str, list[str]]:
    """Return the generators and sources that labels name, by name."""
    return {
        "generator": label_values(index.catalog, "generator", most=_MOST_FACETS),
        "source": label_values(index.catalog, "source", most=_MOST_FACETS),
    }
