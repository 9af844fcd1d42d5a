"""Perceptual hashes as methods of the copy benchmark: pHash, PDQ, PDQ in eight orientations."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import imagehash
import numpy as np
import pdqhash
from PIL import Image

from benchmarks.copies.methods import opened
from indexer.types import Float32


class PHash:
    """The 64-bit DCT hash of imagehash; the score is the share of equal bits."""

    name = "pHash"
    slow = False

    def index(self, references: Sequence[Path]) -> None:
        """Hash the references."""
        self.references = _phashes(opened(references))

    def scores(self, queries: Sequence[Image.Image]) -> Float32:
        """Compare the queries' hashes with all references'."""
        return _equal_bits(_phashes(queries), self.references)


class Pdq:
    """The 256-bit PDQ hash (Facebook 2019); the score is the share of equal bits."""

    name = "PDQ"
    slow = False

    def index(self, references: Sequence[Path]) -> None:
        """Hash the references."""
        hashes = [pdqhash.compute(np.asarray(image))[0] for image in opened(references)]
        self.references = _signs(hashes)

    def scores(self, queries: Sequence[Image.Image]) -> Float32:
        """Compare the queries' hashes with all references'."""
        hashes = [pdqhash.compute(np.asarray(image))[0] for image in queries]
        return _equal_bits(_signs(hashes), self.references)


class PdqDihedral(Pdq):
    """PDQ with the query's hash in its eight rotations and reflections, the best one counted."""

    name = "PDQ, 8 dihedral"

    def scores(self, queries: Sequence[Image.Image]) -> Float32:
        """Compare eight hashes a query with all references'."""
        hashes = [pdqhash.compute_dihedral(np.asarray(image))[0] for image in queries]
        variants = _equal_bits(_signs([h for eight in hashes for h in eight]), self.references)
        return np.asarray(variants.reshape(len(queries), 8, -1).max(axis=1))


def _phashes(images: Iterable[Image.Image]) -> Float32:
    return _signs([imagehash.phash(image).hash.ravel() for image in images])


def _signs(hashes: Sequence[object]) -> Float32:
    """Return bits as -1 and 1, so that a product counts equal ones."""
    return np.asarray(hashes, dtype=np.float32) * 2 - 1


def _equal_bits(queries: Float32, references: Float32) -> Float32:
    bits = queries.shape[1]
    return np.asarray((queries @ references.T / bits + 1) / 2, dtype=np.float32)
