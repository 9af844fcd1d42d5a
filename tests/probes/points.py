"""Labelled points for tests, as a data set or as the parts of one."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from indexer.store.catalog.labels import LabelledSample
from probes.choices import Target
from probes.dataset import Dataset, classes_of


def record(number: int, label: str, **known: str | None) -> LabelledSample:
    """Return a labelled sample; ``known`` are generator, source, group."""
    return LabelledSample(
        id=number,
        sha256=f"{number:064x}",
        path=f"/corpus/{number}.jpg",
        label=label,
        generator=known.get("generator"),
        source=known.get("source"),
        group=known.get("group"),
    )


def dataset(
    records: Sequence[LabelledSample],
    *,
    lead: float = 2.0,
    seed: int = 0,
    target: Target = Target.FAKE,
) -> Dataset:
    """Give samples features of noise; each class leads by ``lead`` in a direction of its own."""
    classes, y = classes_of(records, target)
    X = np.random.default_rng(seed).normal(size=(len(records), 8)).astype(np.float32)
    X[np.arange(len(y)), y] += lead
    return Dataset(target=target, classes=classes, records=tuple(records), X=X, y=y)


def halves(count: int, **known: str | None) -> list[LabelledSample]:
    """Return ``count`` real pictures and as many fakes, each a group by itself."""
    labels = ["real"] * count + ["fake"] * count
    return [record(number, label, **known) for number, label in enumerate(labels, start=1)]
