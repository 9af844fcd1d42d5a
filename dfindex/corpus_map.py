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
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from dfindex.index import Index
from indexer.store.catalog.probe_scores import load_scores, probe_folder
from indexer.store.folder import IndexFolder
from indexer.types import Float32, FloatArray, Int64, Sample
from probes.storage import names_in
from search.projection import Progress, Projection, project

_FINEST = 65535
_MOST_VALUES = 400  # of one column; the rarest become "other"
_NOTHING = ""
_STEPS = tuple(f"{low} to {low + 10} %" for low in range(0, 100, 10))  # of a probe's score

Thumbnail = Callable[[Sample], bytes]


@dataclass(frozen=True)
class CorpusMap:
    """A map with its samples, in step.

    ``scores`` are those of the probes that were applied, (n,) each from 0 to 1, NaN where a sample
    has none.
    """

    projection: Projection
    samples: list[Sample]
    space: str
    generation: int
    scores: dict[str, FloatArray] = field(default_factory=dict)

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
            "probes": {
                name: [None if np.isnan(one) else round(float(one), 4) for one in scores]
                for name, scores in self.scores.items()
            },
        }


def corpus_map(
    index: Index, space: str | None = None, progress: Progress | None = None
) -> CorpusMap:
    """Return the map of an index's space; it is drawn at the first call, and kept."""
    opened = index.space(space)
    kept = IndexFolder(index.path).space(opened.row.fingerprint).map
    projection = project(opened, kept, progress)
    samples = index.catalog.samples(projection.ids.tolist())
    scores = _scores(index, projection.ids)
    return CorpusMap(projection, samples, opened.row.name, index.generation, scores)


def _scores(index: Index, ids: Int64) -> dict[str, FloatArray]:
    """Return what each applied probe said of the samples, NaN for those that came later."""
    found = {}
    for name in names_in(index.path / "probes"):
        kept = load_scores(probe_folder(index.path, name))
        if kept is not None:
            by_id = dict(zip(kept.ids.tolist(), kept.scores.tolist(), strict=True))
            found[name] = np.array([by_id.get(one, np.nan) for one in ids.tolist()])
    return found


def packed(drawn: CorpusMap, thumbnail: Thumbnail | None = None) -> bytes:
    """Return the points as the script reads them; ``thumbnail`` gives each one's small JPEG."""
    columns: list[dict[str, Any]] = []
    codes: list[Any] = []
    for name, texts in drawn.columns().items():
        values, numbers = _coded(texts)
        if len(values) > 1:
            columns.append({"name": name, "values": values})
            codes.append(numbers)
    for name, scores in drawn.scores.items():
        columns.append({"name": f"probe {name}", "values": [_NOTHING, *_STEPS], "ordered": True})
        codes.append(_steps(scores))
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


def _steps(scores: FloatArray) -> Any:
    """Return the numbers of the steps that scores fall on, 0 where there is no score."""
    place = np.clip(np.nan_to_num(scores) * len(_STEPS), 0, len(_STEPS) - 1).astype("<u2")
    return np.where(np.isnan(scores), 0, place + 1).astype("<u2")


def _shown(sample: Sample) -> str:
    name = sample.path.replace("\n", " ").replace("\r", " ")
    if sample.page is not None:
        return f"{name}, page {sample.page}"
    return name if sample.time_s is None else f"{name} at {sample.time_s:.1f} s"
