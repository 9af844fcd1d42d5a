"""Keypoints of some samples in lists, one a word or a twig of the vocabulary, mapped or in memory.

What is asked of a list is answered from the list alone: with a code lie, packed into 60 bits, the
sample's row here and the keypoint's place, size and angle. So a search touches the pages of the
lists it reads, and nothing else, however large the file is.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from indexer.errors import IndexDamagedError
from indexer.keypoints import (
    CODE_BYTES,
    LISTS,
    WORDS,
    Keypoints,
    from_bytes,
    in_bytes,
    vocabulary,
)
from indexer.store.vectors.ann import faiss_module, write_index
from indexer.types import Float32, Int64, UInt8

BITS = 8 * CODE_BYTES
ENTRY_BYTES = CODE_BYTES + 8  # of a keypoint in a list
_ROW, _X, _Y, _SIZE = 36, 26, 16, 8  # bits to the right of each part; the angle has the last eight
_PLACES = 1 << 10  # steps of a picture's longest side


@dataclass(frozen=True)
class Entries:
    """Keypoints of a list: ``rows`` (n,) of their samples; the rest as in `Keypoints`."""

    rows: Int64
    points: Float32
    sizes: Float32
    angles: Float32

    @classmethod
    def unpacked(cls, packed: Int64) -> Entries:
        """Unpack what `_packed` returned, (n,) int64."""
        x, y = ((packed >> bits & (_PLACES - 1)) for bits in (_X, _Y))
        sizes, angles = from_bytes(*(each.astype(np.uint8) for each in (packed >> _SIZE, packed)))
        return cls(
            rows=row_of(packed),
            points=(np.column_stack([x, y]) + 0.5).astype(np.float32) / np.float32(_PLACES),
            sizes=sizes,
            angles=angles,
        )


def row_of(packed: Int64) -> Int64:
    """Return the samples' rows in packed entries of any shape; what is no entry is of the last."""
    return packed >> _ROW


def _packed(rows: Int64, found: Keypoints) -> Int64:
    places = np.clip(found.points * _PLACES, 0, _PLACES - 1).astype(np.int64)
    bytes_ = in_bytes(found.sizes, found.angles)
    sizes, angles = (each.astype(np.int64) for each in bytes_)
    return np.asarray(
        rows << _ROW | places[:, 0] << _X | places[:, 1] << _Y | sizes << _SIZE | angles,
        dtype=np.int64,
    )


class KeypointLists:
    """The keypoints of the samples ``ids`` (n,) (inverted file: Sivic and Zisserman, ICCV 2003).

    Where there are few, a list holds those of a word; where there are many, those of a twig.
    """

    def __init__(self, ids: Int64, index: Any) -> None:
        self.ids = ids
        self._index = index

    @classmethod
    def build(cls, batches: Iterable[tuple[Int64, UInt8]], *, fine: bool = False) -> KeypointLists:
        """Make lists in memory of ids (n,) and rows of `Keypoints` (n, bytes), in batches.

        They are ``fine`` where each is of a twig.
        """
        faiss = faiss_module()
        index, kept = _empty(fine), [np.empty(0, dtype=np.int64)]
        for ids, rows in batches:
            each = [Keypoints.from_row(row) for row in rows]
            joined = Keypoints.joined(each)
            first = sum(map(len, kept))
            owners = np.repeat(np.arange(first, first + len(ids)), [len(one) for one in each])
            lists = joined.words.astype(np.int64)
            if fine:
                lists = vocabulary().lists(joined.codes, lists)
            entries = _packed(owners, joined)
            index.add_core(len(joined), *map(faiss.swig_ptr, (joined.codes, entries, lists)))
            kept.append(ids)
        return cls(np.concatenate(kept), index)

    def holding(self, ids: Int64) -> KeypointLists:
        """Return the same, which knows of some more samples that they have no keypoints."""
        return KeypointLists(np.concatenate([self.ids, np.setdiff1d(ids, self.ids)]), self._index)

    @classmethod
    def joined(cls, parts: Sequence[KeypointLists], *, fine: bool) -> KeypointLists:
        """Put the lists of several parts, which may be emptied, into one in memory."""
        index, first = _empty(fine), 0
        for part in parts:
            if part.fine == fine:
                index.merge_from(part._index, first << _ROW)
            else:
                part._spread_over(index, first)
            first += len(part.ids)
        return cls(np.concatenate([part.ids for part in parts]), index)

    def _spread_over(self, index: Any, first: int) -> None:
        """Add the keypoints, which are by words, to lists of twigs; rows count from ``first``."""
        faiss = faiss_module()
        for word in range(WORDS):
            count = self._index.invlists.list_size(word)
            if not count:
                continue
            codes = faiss.rev_swig_ptr(self._index.invlists.get_codes(word), count * CODE_BYTES)
            codes = codes.reshape(count, CODE_BYTES).copy()
            ids = faiss.rev_swig_ptr(self._index.invlists.get_ids(word), count) + (first << _ROW)
            lists = vocabulary().lists(codes, np.full(count, word, dtype=np.int64))
            index.add_core(count, *map(faiss.swig_ptr, (codes, ids, lists)))

    @classmethod
    def load(cls, path: Path, ids: Int64, *, mapped: bool = True) -> KeypointLists:
        """Open a saved file; raise IndexDamagedError where FAISS cannot."""
        faiss = faiss_module()
        try:
            flags = faiss.IO_FLAG_MMAP if mapped else 0
            return cls(ids, faiss.read_index_binary(str(path), flags))
        except RuntimeError as error:
            raise IndexDamagedError(f"{path} cannot be read: {error}") from error

    def save(self, path: Path) -> None:
        """Write the lists to a file; raise StoreError where that fails."""
        write_index(faiss_module().write_index_binary, self._index, path)

    @property
    def fine(self) -> bool:
        """Whether a list is of a twig, not of a word."""
        return bool(self._index.nlist == LISTS)

    def __len__(self) -> int:
        """Return how many keypoints there are."""
        return int(self._index.ntotal)

    def search(
        self, codes: UInt8, k: int, lists: Int64, far: Int64, *, first: int, most: int
    ) -> tuple[Int64, Int64]:
        """Return distances (n, k) and packed entries (n, k) of the nearest keypoints, -1 for none.

        Of the ``lists`` (n, m) of each code, ``far`` from it, as many are read, the first one at
        least, as hold ``most`` keypoints. Rows are counted from ``first``.
        """
        faiss = faiss_module()
        given = (np.ascontiguousarray(each) for each in (codes, lists, far.astype(np.int32)))
        asked, where, farness = given
        found = np.empty((len(codes), k), dtype=np.int32)
        entries = np.empty((len(codes), k), dtype=np.int64)
        # Not the method of Python's own, which takes these from the index, that threads share.
        self._index.search_preassigned_c(
            len(codes),
            faiss.swig_ptr(asked),
            k,
            *map(faiss.swig_ptr, (where, farness, found, entries)),
            False,
            faiss.SearchParametersIVF(nprobe=lists.shape[1], max_codes=most),
        )
        rows = entries >> _ROW
        there = (entries >= 0) & (rows < len(self.ids))  # a damaged entry is none
        distances = np.where(there, found, BITS + 1).astype(np.int64)
        return distances, np.where(there, entries + (first << _ROW), -1)


def _empty(fine: bool) -> Any:
    faiss = faiss_module()
    # Nothing is asked of the quantizer: which lists are read is said with each search.
    quantizer = faiss.IndexBinaryFlat(BITS)
    index = faiss.IndexBinaryIVF(quantizer, BITS, LISTS if fine else WORDS)
    quantizer.this.disown()
    index.own_fields = True
    index.is_trained = True
    return index
