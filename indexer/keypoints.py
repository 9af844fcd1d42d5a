"""Keypoints of a picture: small marks that survive crops, pastes and turns, for finding copies.

The encoder sees a picture as a whole; a copy that kept a tenth of it is found by its keypoints.
They are ORB (Rublee, Rabaud, Konolige and Bradski, ICCV 2011) at a fixed size, each with the word
of a vocabulary tree (Nister and Stewenius, CVPR 2006) under which an index keeps it.
"""

from __future__ import annotations

import functools
import importlib.resources
from collections.abc import Sequence
from dataclasses import dataclass, fields

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image

from indexer.types import Float32, Int64, UInt8

LONGEST_SIDE = 400  # pixels
LARGEST_ENLARGEMENT = 2.0
SMALLEST_SIDE = 32  # pixels, after resizing: less than that has no room for a keypoint
COUNT = 300
CHOICE = 2  # times as many are found as are kept
CELLS = 6  # a side, over which they are spread
LEVELS, STEP = 8, 1.25  # of the pyramid of sizes
CONTRAST = 5  # grey levels of a corner; faces and skies have nothing much above that
CODE_BYTES = 32
BRANCHES = 64  # of the vocabulary tree, on each of its two upper levels
WORDS = BRANCHES * BRANCHES
TWIGS = 64  # of each word, on the lowest level: what an index keeps keypoints under
LISTS = WORDS * TWIGS

_VOCABULARY, _TWIGS = "orb-words.npy", "orb-twigs.npy"
_ROW = np.dtype(
    [
        ("code", np.uint8, CODE_BYTES),
        ("point", np.uint16, 2),
        ("size", np.uint8),
        ("angle", np.uint8),
        ("word", np.uint16),
    ]
)
ROW_BYTES = COUNT * _ROW.itemsize + 2
_SIZES_PER_OCTAVE = 16
_BLOCK = 1 << 12  # codes that are compared with their word's twigs at a time
_SMALLEST_SIZE = 2.0**-12  # of the longest side

UInt16 = npt.NDArray[np.uint16]


@dataclass(frozen=True)
class Keypoints:
    """The keypoints of a picture, the strongest first of each size.

    ``codes`` (n, 32) uint8 are 256 bits, compared by Hamming distance; ``points`` (n, 2) and
    ``sizes`` (n,) float32 are fractions of the longest side; ``angles`` (n,) float32 are degrees,
    clockwise; ``words`` (n,) uint16 are below `WORDS`.
    """

    codes: UInt8
    points: Float32
    sizes: Float32
    angles: Float32
    words: UInt16

    def __len__(self) -> int:
        return len(self.codes)

    @classmethod
    def none(cls) -> Keypoints:
        """Return the keypoints of a picture that has none."""
        lines = np.zeros(0, np.float32)
        codes, points = np.zeros((0, CODE_BYTES), np.uint8), np.zeros((0, 2), np.float32)
        return cls(codes, points, lines, lines, np.zeros(0, np.uint16))

    @classmethod
    def joined(cls, each: Sequence[Keypoints]) -> Keypoints:
        """Put the keypoints of several pictures into one value, in their order."""
        every, names = [*each, cls.none()], [of.name for of in fields(cls)]
        return cls(*(np.concatenate([getattr(one, name) for one in every]) for name in names))

    def thinned(self, count: int) -> Keypoints:
        """Return about ``count`` of them, evenly over all sizes."""
        kept = np.linspace(0, len(self) - 1, min(count, len(self))).astype(np.int64)
        return Keypoints(*(getattr(self, of.name)[kept] for of in fields(self)))

    def to_row(self) -> UInt8:
        """Pack at most `COUNT` keypoints into (ROW_BYTES,) uint8."""
        n = min(len(self), COUNT)
        packed = np.zeros(COUNT, _ROW)
        packed["code"][:n] = self.codes[:n]
        packed["point"][:n] = np.clip(np.rint(self.points[:n] * 65535), 0, 65535)
        packed["size"][:n], packed["angle"][:n] = in_bytes(self.sizes[:n], self.angles[:n])
        packed["word"][:n] = self.words[:n]
        return np.concatenate([np.array([n], np.uint16).view(np.uint8), packed.view(np.uint8)])

    @classmethod
    def from_row(cls, row: UInt8) -> Keypoints:
        """Unpack `to_row`'s bytes."""
        n = int(np.ascontiguousarray(row[:2]).view(np.uint16)[0])
        packed = np.ascontiguousarray(row[2:]).view(_ROW)[:n]
        sizes, angles = from_bytes(packed["size"], packed["angle"])
        return cls(
            codes=np.ascontiguousarray(packed["code"]),
            points=packed["point"].astype(np.float32) / np.float32(65535),
            sizes=sizes,
            angles=angles,
            words=np.ascontiguousarray(packed["word"]),
        )


def in_bytes(sizes: Float32, angles: Float32) -> tuple[UInt8, UInt8]:
    """Return sizes and angles (n,) of keypoints in a byte each, as an index keeps them."""
    octaves = np.log2(np.maximum(sizes, _SMALLEST_SIZE) / _SMALLEST_SIZE)
    steps = np.clip(np.rint(octaves * _SIZES_PER_OCTAVE), 0, 255)
    turns = np.rint(angles % 360 * 256 / 360).astype(np.int64) % 256
    return steps.astype(np.uint8), turns.astype(np.uint8)


def from_bytes(sizes: UInt8, angles: UInt8) -> tuple[Float32, Float32]:
    """Return the sizes and angles (n,) that `in_bytes` packed."""
    octaves = sizes.astype(np.float32) / _SIZES_PER_OCTAVE
    return (
        np.asarray(_SMALLEST_SIZE * 2**octaves, dtype=np.float32),
        angles.astype(np.float32) * np.float32(360 / 256),
    )


@dataclass(frozen=True)
class Vocabulary:
    """A tree of uint8 codes.

    They are ``trunks`` (64, 32), ``leaves`` (64, 64, 32) and ``twigs`` (4096, 64, 32). A sample
    keeps the words of its keypoints, which are leaves; twigs are found from those.
    """

    trunks: UInt8
    leaves: UInt8
    twigs: UInt8

    def words(self, codes: UInt8) -> UInt16:
        """Return the word (n,) of each code (n, 32): the nearest leaf of the nearest trunk."""
        bits = _wide(codes)
        trunk = _distances(bits[:, None], _wide(self.trunks)[None]).argmin(axis=1)
        leaf = _distances(bits[:, None], _wide(self.leaves)[trunk]).argmin(axis=1)
        return np.asarray(trunk * BRANCHES + leaf, dtype=np.uint16)

    def lists(self, codes: UInt8, words: Int64) -> Int64:
        """Return which twig (n,), below `LISTS`, is nearest to each code of a known word."""
        found = np.empty(len(codes), dtype=np.int64)
        for start in range(0, len(codes), _BLOCK):
            block = slice(start, start + _BLOCK)
            near = _distances(_wide(codes[block])[:, None], _wide(self.twigs)[words[block]])
            found[block] = words[block] * TWIGS + near.argmin(axis=1)
        return found

    def below(self, codes: UInt8, words: Int64, count: int) -> tuple[Int64, UInt16]:
        """Return the twigs (n, count) nearest to each code below some words (n, m), and how far."""
        far = _distances(_wide(codes)[:, None, None], _wide(self.twigs)[words])
        far = far.reshape(len(codes), -1)
        places = _nearest(far, count)
        word = np.take_along_axis(words, places // TWIGS, axis=1)
        return word * TWIGS + places % TWIGS, np.take_along_axis(far, places, axis=1)

    @property
    def centres(self) -> UInt8:
        """The code (WORDS, 32) uint8 each word stands for."""
        return self.leaves.reshape(WORDS, CODE_BYTES)


@functools.cache
def vocabulary() -> Vocabulary:
    """Return the vocabulary that ships with dfindex (``python -m training.vocabulary``)."""
    values, twigs = map(_shipped, (_VOCABULARY, _TWIGS))
    leaves = values[BRANCHES:].reshape(BRANCHES, BRANCHES, CODE_BYTES)
    return Vocabulary(values[:BRANCHES], leaves, twigs.reshape(WORDS, TWIGS, CODE_BYTES))


def _shipped(name: str) -> UInt8:
    with importlib.resources.as_file(importlib.resources.files("indexer").joinpath(name)) as path:
        return np.asarray(np.load(path, allow_pickle=False), dtype=np.uint8)


def keypoints(image: Image.Image, *, count: int = COUNT) -> Keypoints:
    """Find at most ``count`` keypoints of an RGB picture; an index keeps `COUNT` of them."""
    grey = reading(image)
    if grey is None:
        return Keypoints.none()
    finder = detector(count * CHOICE)
    found, codes = finder.compute(grey, _chosen(finder.detect(grey, None), grey.shape, count))
    if codes is None:
        return Keypoints.none()
    values = np.array([(*one.pt, one.size, one.angle) for one in found], dtype=np.float32)
    scale = np.float32(1 / max(grey.shape))
    half = np.float32(0.5)  # OpenCV counts from the first pixel's centre
    return Keypoints(
        codes=codes,
        points=(values[:, :2] + half) * scale,
        sizes=values[:, 2] * scale,
        angles=values[:, 3],
        words=vocabulary().words(codes),
    )


def reading(image: Image.Image) -> UInt8 | None:
    """Return a picture as keypoints are read from it, grey; None where it is too thin."""
    factor = min(LONGEST_SIDE / max(image.size), LARGEST_ENLARGEMENT)
    size = (max(1, round(image.width * factor)), max(1, round(image.height * factor)))
    if min(size) < SMALLEST_SIDE:
        return None
    interpolation = cv2.INTER_AREA if factor < 1 else cv2.INTER_CUBIC
    grey = np.asarray(image.convert("L"))
    return np.asarray(cv2.resize(grey, size, interpolation=interpolation), dtype=np.uint8)


def detector(count: int = COUNT) -> cv2.ORB:
    """Return what finds ``count`` keypoints and their codes in a grey picture."""
    return cv2.ORB.create(
        count, scaleFactor=STEP, nlevels=LEVELS, fastThreshold=CONTRAST, edgeThreshold=16
    )


def spread(points: Float32, strengths: Float32, shape: Sequence[int], count: int) -> Int64:
    """Return the places of ``count`` points, half the strongest, half the strongest of their cell.

    Without that one texture or line of text takes all. ``points`` (n, 2) are x and y within
    ``shape``, height and width.
    """
    order = np.argsort(-strengths, kind="stable")
    if len(order) <= count:
        return order
    strongest, others = order[: count // 2], order[count // 2 :]
    where = points[others] / (shape[1], shape[0])
    cell = (np.clip(where, 0, 0.999) * CELLS).astype(np.int64) @ np.array([1, CELLS])
    by_cell = np.argsort(cell, kind="stable")
    starts = np.searchsorted(cell[by_cell], cell[by_cell])
    rank = np.empty(len(others), dtype=np.int64)
    rank[by_cell] = np.arange(len(others)) - starts
    fairest = np.sort(np.argsort(rank, kind="stable")[: count - len(strongest)])
    return np.concatenate([strongest, others[fairest]])


def _chosen(found: Sequence[cv2.KeyPoint], shape: Sequence[int], count: int) -> list[cv2.KeyPoint]:
    """Return ``count`` of the points, of each size the same share, spread over the picture."""
    values = np.array([(*one.pt, one.response, one.octave) for one in found]).reshape(-1, 4)
    chosen: list[cv2.KeyPoint] = []
    for octave in np.unique(values[:, 3]):
        (own,) = np.nonzero(values[:, 3] == octave)
        share = int(len(own) * min(1.0, count / len(values)))
        kept = own[spread(values[own, :2], values[own, 2], shape, share)]
        chosen += [found[place] for place in kept]
    return chosen


def _wide(codes: UInt8) -> npt.NDArray[np.uint64]:
    return np.ascontiguousarray(codes).view(np.uint64)


def _nearest(distances: UInt16, count: int) -> Int64:
    """Return the places (n, count) of the smallest of each row, the smallest first."""
    if count < distances.shape[1]:
        some = np.argpartition(distances, count - 1, axis=1)[:, :count]
    else:
        some = np.broadcast_to(np.arange(distances.shape[1]), distances.shape)
    order = np.argsort(np.take_along_axis(distances, some, axis=1), axis=1, kind="stable")
    return np.take_along_axis(some, order, axis=1)


def _distances(left: npt.NDArray[np.uint64], right: npt.NDArray[np.uint64]) -> UInt16:
    """Return Hamming distances over the last axis of broadcast codes."""
    total = np.zeros(np.broadcast_shapes(left.shape, right.shape)[:-1], dtype=np.uint16)
    for place in range(left.shape[-1]):  # a sum over an axis this short takes four times as long
        total += np.bitwise_count(left[..., place] ^ right[..., place])
    return total
