"""Take the index elsewhere: a Parquet table, or the bare vectors, for other tools."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from dfindex.corpus_map import CorpusMap, corpus_map
from dfindex.index import Index
from dfindex.outputs import write_together
from indexer.labels_csv import as_cell
from indexer.store.parquet import Column, write_parquet
from indexer.types import Float32
from search.projection import Progress

_TYPES = {
    **{"id": "BIGINT", "time_s": "DOUBLE"},
    **{"page": "INTEGER", "width": "INTEGER", "height": "INTEGER"},
}


@dataclass(frozen=True, kw_only=True)
class Exported:
    """What was written: how many samples, of which space, into which file."""

    path: str
    samples: int
    space: str
    dim: int


def export_parquet(
    index: Index,
    path: Path,
    *,
    space: str | None = None,
    projection: bool = True,
    progress: Progress | None = None,
) -> Exported:
    """Write one row a sample: what the catalog knows, its vector, its place on the map.

    The columns ``x``, ``y`` and ``neighbors`` ({ids, distances}, by row number) are those that
    embedding-atlas reads, ``filepath`` is FiftyOne's name for a file. They are left out where not
    ``projection``.
    """
    vectors, samples = index.embeddings(space)
    drawn = corpus_map(index, space, progress) if projection else None
    columns: dict[str, Column] = {
        "id": [one.id for one in samples],
        "filepath": [one.path for one in samples],
        "sha256": [one.sha256 for one in samples],
        "kind": [one.kind.value for one in samples],
        "time_s": [one.time_s for one in samples],
        "page": [one.page for one in samples],
        "width": [one.width for one in samples],
        "height": [one.height for one in samples],
        "label": [one.label for one in samples],
        "generator": [one.generator for one in samples],
        "source": [one.source for one in samples],
    }
    columns["vector"] = vectors
    if drawn is not None:
        columns |= _placed(drawn)
    write_parquet(path, columns, {**_TYPES, "vector": f"FLOAT[{vectors.shape[1]}]"})
    return _exported(index, path, space, vectors)


def export_vectors(index: Index, path: Path, *, space: str | None = None) -> Exported:
    """Write the unit vectors as a .npy array (n, dim) float32, their samples beside it as CSV.

    The CSV has the array's name and ends in ``.csv``; its rows are in the array's order.
    """
    vectors, samples = index.embeddings(space)
    table = io.StringIO()
    writer = csv.writer(table, lineterminator="\n")
    writer.writerow(["id", "path", "sha256", "label", "generator", "source"])
    for one in samples:
        cells = (one.id, one.path, one.sha256, one.label, one.generator, one.source)
        writer.writerow(map(as_cell, cells))
    text = table.getvalue().encode("utf-8", "backslashreplace")
    write_together(
        {
            path: lambda file: np.save(file, vectors, allow_pickle=False),
            path.with_name(path.name + ".csv"): lambda file: file.write(text),
        }
    )
    return _exported(index, path, space, vectors)


def _placed(drawn: CorpusMap) -> dict[str, Column]:
    found = drawn.projection
    return {
        "x": found.coordinates[:, 0],
        "y": found.coordinates[:, 1],
        "cluster": found.clusters,
        "neighbors": {
            "ids": np.searchsorted(found.ids, found.neighbours),
            "distances": 1 - found.similarities,
        },
    }


def _exported(index: Index, path: Path, space: str | None, vectors: Float32) -> Exported:
    name = index.space(space).row.name
    return Exported(path=str(path), samples=len(vectors), space=name, dim=int(vectors.shape[1]))
