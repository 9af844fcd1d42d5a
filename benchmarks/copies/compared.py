"""Which methods `bench copy` compares: the one list, in the order of the table's columns."""

from __future__ import annotations

from benchmarks.copies.encoder_methods import with_and_without_views
from benchmarks.copies.methods import Method
from benchmarks.copies.pipeline_method import stages
from benchmarks.copies.sift_baseline import SiftRansac
from indexer.errors import UsageError
from indexer.types import Encoder


def all_methods(encoder: Encoder) -> list[Method]:
    """Return the baselines, then what the encoder gives, then the stages of a search."""
    return [*_hashes(), SiftRansac(), *with_and_without_views(encoder), *stages(encoder)]


def fast_methods(encoder: Encoder) -> list[Method]:
    """Return those that look at no pixels of a candidate: hashes, and the encoder alone."""
    return [*_hashes(), *with_and_without_views(encoder)]


def _hashes() -> list[Method]:
    try:
        from benchmarks.copies.hashes import Pdq, PdqDihedral, PHash
    except ImportError as error:
        raise UsageError(
            f"the copy benchmark compares with imagehash and pdqhash, got: {error}; "
            "install them with: pip install 'dfindex[bench]'"
        ) from error
    return [PHash(), Pdq(), PdqDihedral()]
