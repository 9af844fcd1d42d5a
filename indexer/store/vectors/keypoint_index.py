"""Which samples of a space have keypoints like a query's: an inverted file, held in memory."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from indexer.keypoints import CODE_BYTES, WORDS, Keypoints, vocabulary
from indexer.store.vectors.ann import faiss_module
from indexer.types import Float32, Int64, UInt8

Bools = npt.NDArray[np.bool_]

_WORDS_READ = 16  # lists of words near the query's that are looked through
_BITS = 8 * CODE_BYTES
_MOST, _MORE = (
    2048,
    16,
)  # keypoints looked at where most are not allowed, and how fast it gets there


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

    def search(
        self, query: Keypoints, k: int, *, allowed: Int64 | None = None, within: int = _BITS
    ) -> KeypointMatches:
        """Return the ``k`` nearest keypoints to each of the query's, of ``allowed`` samples only.

        Those that differ in more than ``within`` bits may be left out. Approximate: only keypoints
        under words near the query's are compared, and of those the `_MOST` nearest to each.
        """
        rows = np.arange(len(query), dtype=np.int64)
        pairs, asked = [], k
        while len(rows):
            found, short = self._among(query.codes, rows, k, asked, allowed, within)
            pairs.append(found)
            rows, asked = rows[short], asked * _MORE
        places = np.concatenate([one[1] for one in pairs])
        return KeypointMatches(
            query=np.concatenate([one[0] for one in pairs]),
            samples=self._samples[places],
            distances=np.concatenate([one[2] for one in pairs]),
            points=self._points[places],
            sizes=self._sizes[places],
            angles=self._angles[places],
        )

    def _among(
        self,
        codes: UInt8,
        rows: Int64,
        k: int,
        asked: int,
        allowed: Int64 | None,
        within: int,
    ) -> tuple[tuple[Int64, Int64, Int64], Bools]:
        """Look at the ``asked`` nearest keypoints to some rows of ``codes``.

        Return rows, places of keypoints and distances of the pairs that are allowed, and for
        which rows more are to be looked at: their pairs are left out.
        """
        distances, found = self._index.search(codes[rows], asked)
        kept = found >= 0
        short = np.zeros(len(rows), dtype=bool)
        if allowed is not None:
            more = (found[:, -1] >= 0) & (distances[:, -1] <= within) & (asked < _MOST)
            kept &= np.isin(self._samples[found], allowed)
            short = more & (kept.sum(axis=1) < k)
            kept &= (kept.cumsum(axis=1) <= k) & ~short[:, None]
        at, columns = np.nonzero(kept)
        pairs = rows[at], found[at, columns], distances[at, columns].astype(np.int64)
        return pairs, short

    def _add(self, ids: Int64, rows: UInt8) -> tuple[Int64, Keypoints]:
        faiss = faiss_module()
        each = [Keypoints.from_row(row) for row in rows]
        joined = Keypoints.joined(each)
        first = len(self)
        numbers = np.arange(first, first + len(joined), dtype=np.int64)
        words = joined.words.astype(np.int64)
        self._index.add_core(len(joined), *map(faiss.swig_ptr, (joined.codes, numbers, words)))
        return np.repeat(ids, [len(one) for one in each]), joined
