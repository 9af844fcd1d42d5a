"""Which samples of a space have keypoints like a query's: lists on disk, and what is newer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt

from indexer.keypoints import Keypoints, vocabulary
from indexer.store.vectors.ann import faiss_module
from indexer.store.vectors.keypoint_lists import BITS, Entries, KeypointLists, row_of
from indexer.types import Float32, Int64, UInt8

Bools = npt.NDArray[np.bool_]

READ = 3_000_000  # keypoints of the corpus that are compared with a query's, about
_WORDS_READ = 16  # near each of a query's keypoints
_TWIGS_READ, _TWIGS_OF = 32, 8  # the nearest below as many of those words
# Keypoints looked at where most are not allowed, and how fast it gets there.
_MOST, _MORE = 2048, 16


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

    @classmethod
    def none(cls) -> KeypointMatches:
        """Return no pairs."""
        numbers, lines = np.empty(0, np.int64), np.empty(0, np.float32)
        return cls(numbers, numbers, numbers, np.empty((0, 2), np.float32), lines, lines)


class KeypointIndex:
    """The keypoints of many samples, in parts, of which only ``live`` samples are found."""

    def __init__(self, parts: Sequence[KeypointLists], live: Int64 | None = None) -> None:
        self._parts = [part for part in parts if len(part)]
        self._samples = np.concatenate([np.empty(0, np.int64), *(one.ids for one in self._parts)])
        self._firsts = np.cumsum([0, *(len(one.ids) for one in self._parts)])
        known = None if live is None else np.isin(self._samples, live)
        self._live = None if known is None or known.all() else known

    def __len__(self) -> int:
        return sum(map(len, self._parts))

    def search(
        self, query: Keypoints, k: int, *, allowed: Int64 | None = None, within: int = BITS
    ) -> KeypointMatches:
        """Return the ``k`` nearest keypoints to each of the query's, of ``allowed`` samples only.

        Those that differ in more than ``within`` bits may be left out. Approximate: of the lists
        near the query's keypoints as many are read as hold `READ` keypoints together, and where
        some are not allowed, the `_MOST` nearest to each are looked at.
        """
        if not len(query) or not len(self):
            return KeypointMatches.none()
        usable = self._usable(allowed)
        near = _Near.of(query.codes, fine=any(part.fine for part in self._parts))
        rows = np.arange(len(query), dtype=np.int64)
        pairs, asked = [], k
        while len(rows):
            found, entries = self._nearest(near.rows(rows), asked)
            kept = (entries >= 0) & (found <= within)
            samples = row_of(entries)
            short = np.zeros(len(rows), dtype=bool)
            if usable is not None:
                more = (entries[:, -1] >= 0) & (found[:, -1] <= within) & (asked < _MOST)
                kept &= usable[samples]
                short = more & (kept.sum(axis=1) < k)
                kept &= (kept.cumsum(axis=1) <= k) & ~short[:, None]
            at = np.nonzero(kept)
            pairs.append((rows[at[0]], found[at], entries[at]))
            rows, asked = rows[short], asked * _MORE
        own, distances, packed = (np.concatenate(each) for each in zip(*pairs, strict=True))
        entry = Entries.unpacked(packed)
        return KeypointMatches(
            query=own,
            samples=self._samples[entry.rows],
            distances=distances,
            points=entry.points,
            sizes=entry.sizes,
            angles=entry.angles,
        )

    def _nearest(self, near: _Near, k: int) -> tuple[Int64, Int64]:
        """Return distances and entries (n, k) of the nearest keypoints in all parts."""
        share = READ / len(near.codes) / len(self)
        found = []
        for part, first in zip(self._parts, self._firsts.tolist(), strict=False):
            lists, far = near.twigs if part.fine else near.words
            most = max(1, int(share * len(part)))
            found.append(part.search(near.codes, k, lists, far, first=first, most=most))
        distances, entries = (np.concatenate(each, axis=1) for each in zip(*found, strict=True))
        if len(found) == 1:
            return distances, entries
        order = np.argsort(distances, axis=1, kind="stable")[:, :k]
        return np.take_along_axis(distances, order, 1), np.take_along_axis(entries, order, 1)

    def _usable(self, allowed: Int64 | None) -> Bools | None:
        """Tell which rows (n,) may be found, None for all of them."""
        usable = None if allowed is None else np.isin(self._samples, allowed)
        if self._live is None:
            return usable
        return self._live if usable is None else usable & self._live


@dataclass(frozen=True)
class _Near:
    """Codes (n, 32), and the words and twigs (n, m) near them, the nearest first, and how far."""

    codes: UInt8
    words: tuple[Int64, Int64]
    twigs: tuple[Int64, Int64]

    @classmethod
    def of(cls, codes: UInt8, *, fine: bool) -> _Near:
        """Find the words near some codes, and where lists are ``fine`` the twigs."""
        far, words = _words().search(codes, _WORDS_READ)
        twigs, below = words[:, :0], words[:, :0]
        if fine:
            twigs, below = vocabulary().below(codes, words[:, :_TWIGS_OF], _TWIGS_READ)
        return cls(codes, (words, far.astype(np.int64)), (twigs, below.astype(np.int64)))

    def rows(self, rows: Int64) -> _Near:
        """Return what belongs to some of the codes."""
        words, twigs = ((one[rows], far[rows]) for one, far in (self.words, self.twigs))
        return _Near(self.codes[rows], words, twigs)


@cache
def _words() -> Any:
    words = faiss_module().IndexBinaryFlat(BITS)
    words.add(vocabulary().centres)
    return words
