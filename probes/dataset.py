"""Labelled samples as (features, classes, groups), with what a split must know of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from indexer.errors import UsageError
from indexer.store.catalog.labels import LabelledSample
from indexer.types import FloatArray, Int64
from probes.choices import Target

REAL, FAKE = "real", "fake"
UNKNOWN = "unknown"  # a fake whose generator nobody has named

Texts = np.ndarray[Any, Any]


@dataclass(frozen=True, kw_only=True)
class Dataset:
    """Labelled samples and their features, in step.

    ``X`` (n, d) floating point, ``y`` (n,) int64 positions in ``classes``. Of the target fake the
    classes are real and fake, in that order: 1 is fake.
    """

    target: Target
    classes: tuple[str, ...]
    records: tuple[LabelledSample, ...]
    X: FloatArray
    y: Int64

    def __post_init__(self) -> None:
        if not len(self.records) == len(self.X) == len(self.y):
            raise ValueError(f"{len(self.records)} records, X {self.X.shape}, y {self.y.shape}")
        if not np.isfinite(self.X).all():
            raise ValueError("NaN or infinity among the features")

    def __len__(self) -> int:
        return len(self.records)

    @property
    def ids(self) -> Int64:
        """The sample ids (n,)."""
        return np.array([one.id for one in self.records], dtype=np.int64)

    @property
    def generators(self) -> Texts:
        """What made each sample (n,): real, a generator's name, or unknown."""
        return np.array([generator_of(one) for one in self.records], dtype=object).astype(str)

    @property
    def sources(self) -> Texts:
        """Where each sample comes from (n,), empty where nobody said."""
        return np.array([one.source or "" for one in self.records], dtype=object).astype(str)

    def take(self, positions: Int64) -> Dataset:
        """Return some of the samples."""
        return Dataset(
            target=self.target,
            classes=self.classes,
            records=tuple(self.records[place] for place in positions),
            X=self.X[positions],
            y=self.y[positions],
        )

    def counts(self) -> dict[str, int]:
        """Count the samples of each class."""
        return {name: int((self.y == place).sum()) for place, name in enumerate(self.classes)}


def classes_of(records: Sequence[LabelledSample], target: Target) -> tuple[tuple[str, ...], Int64]:
    """Return the class names and the class (n,) of each record.

    Real pictures are one class whatever camera they are labelled with.
    """
    if target is Target.FAKE:
        classes: tuple[str, ...] = (REAL, FAKE)
        names = [one.label for one in records]
    else:
        names = [generator_of(one) for one in records]
        classes = tuple(sorted(set(names), key=lambda name: (name != REAL, name)))
    place = {name: number for number, name in enumerate(classes)}
    return classes, np.array([place[name] for name in names], dtype=np.int64)


def generator_of(record: LabelledSample) -> str:
    """Return real, or what made a fake."""
    return REAL if record.label == REAL else record.generator or UNKNOWN


def check_labels(
    records: Sequence[LabelledSample], target: Target, *, needed: int, may_be_one: bool
) -> None:
    """Raise UsageError unless each class has at least ``needed`` samples.

    Only real pictures are enough where ``may_be_one``.
    """
    if not records:
        raise UsageError(
            f"expected at least {needed} labelled pictures of each class, got none; "
            "label some with dfindex label import CSV or dfindex label set PATH real|fake"
        )
    _check_agreement(records)
    classes, y = classes_of(records, target)
    counts = {name: int((y == place).sum()) for place, name in enumerate(classes)}
    present = {name: count for name, count in counts.items() if count}
    if target is Target.GENERATOR and len(present) < 2:
        raise UsageError(_too_few("at least 2 generators, or one and real pictures", present))
    if may_be_one and set(present) == {REAL} and present[REAL] >= needed:
        return
    short = {name: count for name, count in counts.items() if count < needed}
    if short:
        raise UsageError(_too_few(f"at least {needed} labelled pictures of {_and(short)}", counts))


def _check_agreement(records: Sequence[LabelledSample]) -> None:
    """Raise UsageError where real pictures are said to be made by what makes fakes."""
    made: dict[str, list[str]] = {}
    for one in records:
        if one.generator:
            made.setdefault(one.generator, []).append(one.label)
    for name, labels in sorted(made.items()):
        if len(set(labels)) > 1:
            raise UsageError(
                f"the labels contradict each other: {labels.count(REAL)} pictures made by {name} "
                f"are labelled real and {labels.count(FAKE)} fake, expected all one or the other; "
                f"see them with dfindex label list, correct them with dfindex label set"
            )


def _too_few(expected: str, counts: dict[str, int]) -> str:
    got = ", ".join(f"{count} {name}" for name, count in counts.items()) or "none"
    return f"expected {expected}, got {got}; label more with dfindex label import or label set"


def _and(names: dict[str, int]) -> str:
    return " and ".join(names)
