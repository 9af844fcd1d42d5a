"""What an encoder's own head read and answered, for the samples of one space."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from indexer.store.catalog.catalog import Catalog
from indexer.store.folder import SpaceFolder
from indexer.store.vectors.space import open_segment
from indexer.types import Float32


class HeadOutputs:
    """Finds logits by a picture's SHA-256, and class tokens with their logits for all samples."""

    def __init__(self, catalog: Catalog, space: str, folder: SpaceFolder, dim: int) -> None:
        self._catalog = catalog
        self._folder = folder
        self._dim = dim
        self._rows: dict[int, Float32 | None] = {}
        self._places: dict[str, tuple[int, int]] = {
            sha256: (segment, row)
            for sha256, segment, row in catalog.query(
                "SELECT s.sha256, e.segment, e.row FROM embeddings e "
                "JOIN samples s ON s.id = e.sample_id WHERE e.space = ? AND s.kind = 'image' "
                "AND s.id NOT IN (SELECT sample_id FROM tombstones)",
                [space],
            )
        }
        self._segments = [record.id for record in catalog.segments(space)]

    def __contains__(self, sha256: object) -> bool:
        place = self._places.get(str(sha256))
        return place is not None and self._of(place[0]) is not None

    def logits(self, sha256: str) -> Float32:
        """Return the logits (labels,) of a whole picture; raise KeyError where none are kept."""
        segment, row = self._places[sha256]
        rows = self._of(segment)
        if rows is None:
            raise KeyError(sha256)
        return np.asarray(rows[row, self._dim :])

    def batches(self) -> Iterator[tuple[Float32, Float32]]:
        """Yield class tokens (n, dim) and logits (n, labels), segment by segment, keeping none."""
        for segment in self._segments:
            rows = open_segment(self._catalog, self._folder, segment).head_rows()
            if rows is not None:
                yield rows[:, : self._dim], rows[:, self._dim :]

    def _of(self, segment: int) -> Float32 | None:
        if segment not in self._rows:
            rows = open_segment(self._catalog, self._folder, segment).head_rows()
            self._rows[segment] = rows
        return self._rows[segment]
