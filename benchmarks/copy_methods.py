"""Which methods `bench copy` compares: the one list, in the order of the table's columns."""

from __future__ import annotations

from benchmarks.baselines import Pdq, PdqDihedral, PHash
from benchmarks.encoder_methods import with_and_without_views
from benchmarks.methods import Method
from benchmarks.sift_baseline import SiftRansac
from indexer.types import Encoder


def all_methods(encoder: Encoder, *, sift: bool = True) -> list[Method]:
    """Return the baselines, then what the encoder gives."""
    baselines: list[Method] = [PHash(), Pdq(), PdqDihedral()]
    return [*baselines, *([SiftRansac()] if sift else []), *with_and_without_views(encoder)]
