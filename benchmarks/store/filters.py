"""Search with filters of many selectivities: recall against exhaustive search, and time.

``python -m benchmarks.store.filters --vectors 50000,210000``
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.machine import Machine
from benchmarks.service.index import make_index
from indexer.store.reader import IndexReader
from indexer.store.vectors.ann import EXACT_UP_TO, faiss_module
from indexer.store.vectors.space import Space
from indexer.types import Embeddings, Float32, Int64, unit

SHARES = (0.5, 0.1, 0.01, 0.001)
NEAREST = 10
Found = tuple[Float32, Int64]
_NOISE = 0.03  # of a query beside the vector it is made from, in each dimension


@dataclass(frozen=True, kw_only=True)
class FilterCase:
    """One filter: ``allowed`` vectors, chosen at random or far from every query.

    ``recall_at_10`` is against exhaustive search; ``ms`` and ``exact_ms`` are medians of one
    query's time, through the index and by FAISS's own exact search with its own selector, asked
    in turns.
    """

    vectors: int
    kind: str
    share: float
    chosen: str
    allowed: int
    recall_at_10: float
    ms: float
    exact_ms: float
    ratio: float


@dataclass(frozen=True, kw_only=True)
class FilterReport:
    """What every filter costs and finds."""

    queries: int
    cases: tuple[FilterCase, ...]
    machine: Machine


def main(arguments: list[str] | None = None) -> None:
    """Measure, and print the report as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--vectors", default="50000,210000")
    parser.add_argument("--queries", type=int, default=100)
    parser.add_argument("--exact-up-to", type=int, default=EXACT_UP_TO)
    options = parser.parse_args(arguments)
    cases: list[FilterCase] = []
    for vectors in map(int, options.vectors.split(",")):
        with tempfile.TemporaryDirectory() as folder:
            make_index(Path(folder) / "index", vectors, exact_up_to=options.exact_up_to)
            cases += run(Path(folder) / "index", queries=options.queries)
    report = FilterReport(
        queries=options.queries,
        cases=tuple(cases),
        machine=Machine.here(("dfindex", "faiss-cpu", "numpy")),
    )
    sys.stdout.write(json.dumps(asdict(report), indent=1) + "\n")


def run(index: Path, *, queries: int, seed: int = 0) -> list[FilterCase]:
    """Search an index's only space with filters of every share, random and adverse."""
    rng = np.random.default_rng(seed)
    with IndexReader(index) as reader:
        space = reader.space()
        stored = space.embeddings()
        exact = faiss_module().IndexFlatIP(stored.vectors.shape[1])
        exact.add(stored.vectors)
        picked = stored.vectors[rng.choice(len(stored), queries, replace=False)]
        asked = unit(picked + _NOISE * rng.normal(size=picked.shape))
        return [
            _case(space, stored, exact, asked, share, chosen, rng)
            for share in SHARES
            for chosen in ("random", "far")
        ]


def _case(
    space: Space,
    stored: Embeddings,
    exact: Any,
    asked: Float32,
    share: float,
    chosen: str,
    rng: np.random.Generator,
) -> FilterCase:
    allowed = _chosen(stored, asked, share, chosen, rng)
    space.neighbours(asked[:1], NEAREST, allowed=allowed)  # what is read once is not on the clock
    places = np.flatnonzero(np.isin(stored.ids, allowed))
    mine, theirs, found = [], [], []
    for query in asked[:, None]:
        seconds, answer = _timed(partial(space.neighbours, query, NEAREST, allowed=allowed))
        mine.append(seconds)
        found.append(answer[0][0])
        theirs.append(_timed(partial(_exactly, exact, query, places))[0])
    ms, exact_ms = 1000 * float(np.median(mine)), 1000 * float(np.median(theirs))
    return FilterCase(
        vectors=len(stored),
        kind="flat" if space.ann is None else space.ann.kind,
        share=share,
        chosen=chosen,
        allowed=len(allowed),
        recall_at_10=round(_recall(np.stack(found), stored, asked, allowed), 4),
        ms=round(ms, 3),
        exact_ms=round(exact_ms, 3),
        ratio=round(ms / exact_ms, 2),
    )


def _chosen(
    stored: Embeddings, asked: Float32, share: float, chosen: str, rng: np.random.Generator
) -> Int64:
    """Return the ids that a filter lets through: any, or those least like the queries."""
    count = max(NEAREST, int(share * len(stored)))
    if chosen == "random":
        return np.sort(rng.choice(stored.ids, count, replace=False))
    nearest = np.max([stored.vectors @ query for query in asked], axis=0)
    return np.sort(stored.ids[np.argsort(nearest)[:count]])


def _recall(found: Float32, stored: Embeddings, asked: Float32, allowed: Int64) -> float:
    """Return the share of the nearest allowed vectors that were found, ties counted as found."""
    similarities = asked @ stored.vectors[np.isin(stored.ids, allowed)].T
    last = np.partition(similarities, -NEAREST, axis=1)[:, -NEAREST]
    return float((found >= last[:, None] - 1e-5).mean())


def _exactly(exact: Any, query: Float32, places: Int64) -> Found:
    faiss = faiss_module()
    selector = faiss.SearchParameters(sel=faiss.IDSelectorBatch(places))
    return exact.search(query, NEAREST, params=selector)  # type: ignore[no-any-return]


def _timed(call: Callable[[], Found]) -> tuple[float, Found]:
    started = time.perf_counter()
    value = call()
    return time.perf_counter() - started, value


if __name__ == "__main__":
    main()
