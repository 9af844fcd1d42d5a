"""Which samples of a space have keypoints like a query's: an inverted file, held in memory."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from indexer.keypoints import CODE_BYTES, WORDS, Keypoints, vocabulary
from indexer.store.ann import faiss_module
from indexer.types import Float32, Int64, UInt8

_WORDS_READ = 16  # lists of words near the query's that are looked through
_BITS = 8 * CODE_BYTES


@dataclass(frozen=True)
class KeypointMatches:
    """Keypoints found near a query's, m pairs in step.

    ``query`` (m,) counts the query's keypoints; ``samples`` (m,) int64; ``distances`` (m,) int32
    are Hamming distances of 256 bits; ``points`` (m, 2), ``sizes`` and ``angles`` (m,) float32 are
    the sample's, as in `Keypoints`.
    """

    query: Int64
    samples: Int64
    distances: Int64
    points: Float32
    sizes: Float32
    angles: Float32


class KeypointIndex:
    """The keypoints of many samples by word (inverted file: Sivic and Zisserman, ICCV 2003)."""

    def __init__(self, batches: Iterable[tuple[Int64, UInt8]]) -> None:
        """Take ids (n,) and rows (n, ROW_BYTES), batch after batch."""
        faiss = faiss_module()
        quantizer = faiss.IndexBinaryFlat(_BITS)
        quantizer.add(vocabulary().centres)
        self._quantizer = quantizer  # the index only points to it
        self._index = faiss.IndexBinaryIVF(quantizer, _BITS, WORDS)
        self._index.is_trained = True
        self._index.nprobe = _WORDS_READ
        kept = [self._add(ids, rows) for ids, rows in batches]
        kept = kept or [(np.empty(0, np.int64), Keypoints.none())]
        self._samples = np.concatenate([samples for samples, _ in kept])
        self._points, self._sizes, self._angles = (
            np.concatenate([getattr(one, name) for _, one in kept])
            for name in ("points", "sizes", "angles")
        )

    def __len__(self) -> int:
        return int(self._index.ntotal)

    def search(self, query: Keypoints, k: int, *, allowed: Int64 | None = None) -> KeypointMatches:
        """Return the ``k`` nearest keypoints to each of the query's, of ``allowed`` samples only.

        Approximate: only keypoints under words near the query's are compared.
        """
        distances, found = self._index.search(query.codes, k)
        rows, columns = np.nonzero(found >= 0)
        places = found[rows, columns]
        if allowed is not None:
            kept = np.isin(self._samples[places], allowed)
            rows, columns, places = rows[kept], columns[kept], places[kept]
        return KeypointMatches(
            query=rows,
            samples=self._samples[places],
            distances=distances[rows, columns].astype(np.int64),
            points=self._points[places],
            sizes=self._sizes[places],
            angles=self._angles[places],
        )

    def _add(self, ids: Int64, rows: UInt8) -> tuple[Int64, Keypoints]:
        faiss = faiss_module()
        each = [Keypoints.from_row(row) for row in rows]
        joined = Keypoints.joined(each)
        first = len(self)
        numbers = np.arange(first, first + len(joined), dtype=np.int64)
        words = joined.words.astype(np.int64)
        self._index.add_core(len(joined), *map(faiss.swig_ptr, (joined.codes, numbers, words)))
        return np.repeat(ids, [len(one) for one in each]), joined
