"""The points of a map as compact bytes, which the map's script unpacks in a browser.

Gzip of: the header's length (uint32), the header (JSON), then for n points
x and y (uint16 each, y upwards), ids (float64), one uint16 a point for each of the header's
columns, thumbnails' ends (uint32 a point, only where there are any), the thumbnails, the names.
"""

from __future__ import annotations

import gzip
import json
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from dfindex.index import Index
from indexer.store.layout import IndexFolder
from indexer.types import Float32, Sample
from search.projection import Progress, Projection, project

_FINEST = 65535
_MOST_VALUES = 400  # of one column; the rarest become "other"
_NOTHING = ""

Thumbnail = Callable[[Sample], bytes]


@dataclass(frozen=True)
class CorpusMap:
    """A map with its samples, in step."""

    projection: Projection
    samples: list[Sample]
    space: str
    generation: int

    def columns(self) -> dict[str, list[str]]:
        """Return what points can be coloured by, each with one text a point."""
        return {
            "label": [one.label or _NOTHING for one in self.samples],
            "generator": [one.generator or _NOTHING for one in self.samples],
            "source": [one.source or _NOTHING for one in self.samples],
            "cluster": [f"cluster {1 + number}" for number in self.projection.clusters.tolist()],
            "folder": [Path(one.path).parent.name for one in self.samples],
            "kind": [one.kind.value for one in self.samples],
        }

    def to_json(self) -> dict[str, Any]:
        """Return the map as plain JSON values."""
        return {
            "space": self.space,
            "generation": self.generation,
            "ids": self.projection.ids.tolist(),
            "x": [round(float(one), 4) for one in self.projection.coordinates[:, 0]],
            "y": [round(float(one), 4) for one in self.projection.coordinates[:, 1]],
            **self.columns(),
        }


def corpus_map(
    index: Index, space: str | None = None, progress: Progress | None = None
) -> CorpusMap:
    """Return the map of an index's space; it is drawn at the first call, and kept."""
    opened = index.space(space)
    folder = IndexFolder(index.path).space(opened.row.fingerprint).path
    projection = project(opened, folder / "map.npz", progress)
    samples = index.catalog.samples(projection.ids.tolist())
    return CorpusMap(projection, samples, opened.row.name, index.generation)


def packed(drawn: CorpusMap, thumbnail: Thumbnail | None = None) -> bytes:
    """Return the points as the script reads them; ``thumbnail`` gives each one's small JPEG."""
    columns, codes = [], []
    for name, texts in drawn.columns().items():
        values, numbers = _coded(texts)
        if len(values) > 1:
            columns.append({"name": name, "values": values})
            codes.append(numbers)
    names = "\n".join(_shown(one) for one in drawn.samples).encode("utf-8", "replace")
    pictures = [thumbnail(one) for one in drawn.samples] if thumbnail else []
    header = {
        "count": len(drawn.samples),
        "space": drawn.space,
        "generation": drawn.generation,
        "columns": columns,
        "thumbnails": bool(pictures),
    }
    head = json.dumps(header, separators=(",", ":")).encode()
    parts = [
        np.uint32(len(head)).tobytes(),
        head,
        _on_grid(drawn.projection.coordinates).tobytes(),
        drawn.projection.ids.astype("<f8").tobytes(),
        *(one.tobytes() for one in codes),
    ]
    if pictures:
        parts.append(np.cumsum([len(one) for one in pictures]).astype("<u4").tobytes())
        parts += pictures
    return gzip.compress(b"".join([*parts, names]), 6, mtime=0)


def _on_grid(coordinates: Float32) -> Any:
    """Return x and y (n, 2) uint16, in one scale, centred."""
    if not len(coordinates):
        return np.empty((0, 2), "<u2")
    low, high = coordinates.min(axis=0), coordinates.max(axis=0)
    span = float(max((high - low).max(), 1e-9))
    centred = (coordinates - (low + high) / 2) / span + 0.5
    return np.rint(np.clip(centred, 0, 1) * _FINEST).astype("<u2")


def _coded(texts: Sequence[str]) -> tuple[list[str], Any]:
    """Return the values of a column, nothing first, then the most frequent, and their numbers."""
    counted = Counter(texts)
    counted.pop(_NOTHING, None)
    ranked = sorted(counted, key=lambda one: (-counted[one], one))
    values = [_NOTHING, *ranked[:_MOST_VALUES]]
    if len(ranked) > _MOST_VALUES:
        values.append("other")
    number = {one: at for at, one in enumerate(values)}
    codes = [number.get(one, len(values) - 1) for one in texts]
    return values, np.array(codes, dtype="<u2")


def _shown(sample: Sample) -> str:
    name = sample.path.replace("\n", " ").replace("\r", " ")
    return name if sample.time_s is None else f"{name} at {sample.time_s:.1f} s"
