"""What people run, as methods of the copy benchmark: an index is built and searched."""

from __future__ import annotations

import shutil
import tempfile
import weakref
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from indexer.build import BuildOptions, build
from indexer.corpus import absolute
from indexer.media.files import Limits
from indexer.store.reader import IndexReader
from indexer.store.writer import IndexWriter
from indexer.types import Encoder, Float32
from search.candidates import candidates
from search.options import SearchOptions
from search.query import read_picture
from search.searcher import Searcher
from search.verdict import Verdict

HITS = 50
NOT_FOUND = -1.0


class Pipeline:
    """A search of an index: the confidence of each hit, verified or not.

    ``stage`` is ``candidates`` (their order, before any pixel is read), ``unverified`` or
    ``verified``. ``verdicts`` are those of the first hits of the queries asked last, None where
    nothing was hit; only a verified search gives any.
    """

    slow = False

    def __init__(self, encoder: Encoder, stage: str) -> None:
        self.name = {"candidates": "candidates (views, keypoints)"}.get(stage, f"dfindex, {stage}")
        self._encoder, self._stage = encoder, stage
        self._folder = Path(tempfile.mkdtemp(prefix="dfindex-bench-"))
        weakref.finalize(self, shutil.rmtree, self._folder, ignore_errors=True)

    def index(self, references: Sequence[Path]) -> None:
        """Build an index of the references."""
        home = self._folder
        options = BuildOptions(workers=2, loaded_from=self._encoder.spec.name, limits=Limits())
        with IndexWriter(home / "index") as writer:
            build(writer, self._encoder, references, options)
        self._reader = IndexReader(home / "index")
        weakref.finalize(self, self._reader.close)
        self._searcher = Searcher(self._reader, self._reader.space(), self._encoder)
        catalog, ids = self._reader.catalog, self._reader.space().ids().tolist()
        columns = {absolute(path): place for place, path in enumerate(references)}
        # references with the same bytes are one sample, found in all their places
        self._columns = {
            sample: [columns[file.raw] for file in files]
            for sample, files in catalog.files_of(ids).items()
        }
        self._count = len(references)

    def scores(self, queries: Sequence[Image.Image]) -> Float32:
        """Search for each query."""
        self.verdicts: list[Verdict | None] = []
        return np.stack([self._row(query) for query in queries])

    def _row(self, query: Image.Image) -> Float32:
        row = np.full(self._count, NOT_FOUND, dtype=np.float32)
        for sample, score in self._found(query):
            row[self._columns[sample]] = score
        return row

    def _found(self, query: Image.Image) -> list[tuple[int, float]]:
        path = self._folder / "query.png"
        query.save(path, compress_level=1)
        if self._stage == "candidates":
            picture = read_picture(path, self._encoder)
            found = candidates(
                picture.image, picture.vector, self._searcher.space, self._encoder, count=HITS
            )
            return [(one.id, 1 - place / HITS) for place, one in enumerate(found)]
        result = self._searcher.search(
            path, SearchOptions(k=HITS, verify=self._stage == "verified")
        )
        if self._stage == "verified":
            self.verdicts.append(result.hits[0].verdict if result.hits else None)
        return [(hit.sample.id, hit.confidence) for hit in result.hits]


def stages(encoder: Encoder) -> list[Pipeline]:
    """Return the rows of the benchmark's table that show each stage of a search."""
    return [Pipeline(encoder, stage) for stage in ("candidates", "unverified", "verified")]
