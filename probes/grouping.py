"""What must stay on one side of a split: groups, sources, videos, near-duplicates."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from indexer.store.catalog.labels import LabelledSample
from indexer.types import Int64
from probes.choices import SplitBy
from probes.dataset import Dataset, Texts

Pair = tuple[int, int]  # two sample ids, the smaller first


@dataclass(frozen=True, kw_only=True)
class Grouped:
    """A data set without near-duplicates that a split could part, and its groups (n,).

    ``by`` says what the groups are; ``removed`` are the samples taken out, ``kept_for`` them the
    near-duplicate that stays; ``joined`` counts pairs of unlike labels whose groups were joined.
    """

    dataset: Dataset
    groups: Texts
    by: SplitBy
    removed: tuple[LabelledSample, ...]
    kept_for: tuple[LabelledSample, ...]
    joined: int


def grouped(dataset: Dataset, near_duplicates: Sequence[Pair], by: SplitBy) -> Grouped:
    """Group a data set and deal with near-duplicates of different groups.

    Of two with the same class the later one is removed. Two of different classes, such as a
    photograph and its manipulated version, both stay, and their groups become one.
    """
    chosen, groups = _groups(dataset, by)
    place = {one.id: number for number, one in enumerate(dataset.records)}
    pairs = [(place[a], place[b]) for a, b in near_duplicates if a in place and b in place]
    apart = [(a, b) for a, b in sorted(pairs) if groups[a] != groups[b]]
    joined = [(a, b) for a, b in apart if dataset.y[a] != dataset.y[b]]
    twins: dict[int, int] = {}
    for a, b in apart:
        if dataset.y[a] == dataset.y[b] and a not in twins:
            twins.setdefault(b, a)
    groups = _joined(groups, joined)
    kept = np.array([n for n in range(len(dataset)) if n not in twins], dtype=np.int64)
    return Grouped(
        dataset=dataset.take(kept),
        groups=groups[kept],
        by=chosen,
        removed=tuple(dataset.records[b] for b in sorted(twins)),
        kept_for=tuple(dataset.records[twins[b]] for b in sorted(twins)),
        joined=len(joined),
    )


def _groups(dataset: Dataset, by: SplitBy) -> tuple[SplitBy, Texts]:
    """Return the groups asked for, or the coarsest by which every class can be split."""
    candidates = {
        SplitBy.SOURCE: _named(dataset, lambda one: one.source or one.group),
        SplitBy.GROUP: _named(dataset, lambda one: one.group),
        SplitBy.CONTENT: _named(dataset, lambda one: None),
    }
    if by in candidates:
        return by, candidates[by]
    usable = (
        (name, groups)
        for name, groups in candidates.items()
        if name is SplitBy.CONTENT or (_some_named(dataset, name) and _can_split(dataset.y, groups))
    )
    return next(usable)


def _named(dataset: Dataset, name: object) -> Texts:
    # Frames and faces of one file share its content, and so their group.
    assert callable(name)
    texts = [
        f"named {name(one)}" if name(one) else f"content {one.sha256}" for one in dataset.records
    ]
    return np.array(texts, dtype=object).astype(str)


def _some_named(dataset: Dataset, by: SplitBy) -> bool:
    return any(one.source if by is SplitBy.SOURCE else one.group for one in dataset.records)


def _can_split(y: Int64, groups: Texts) -> bool:
    """Tell whether no group holds all of a class, and each class has at least three of them."""
    return all(len(np.unique(groups[y == label])) >= 3 for label in np.unique(y))


def _joined(groups: Texts, pairs: Sequence[Pair]) -> Texts:
    """Give groups that are connected by pairs of positions one name."""
    if not pairs:
        return groups
    names, members = np.unique(groups, return_inverse=True)
    a, b = (members[[pair[side] for pair in pairs]] for side in (0, 1))
    graph = coo_array((np.ones(len(a)), (a, b)), shape=(len(names), len(names)))
    _, component = connected_components(graph, directed=False)
    first = {label: names[place] for place, label in reversed(list(enumerate(component)))}
    return np.array([first[component[one]] for one in members], dtype=object).astype(str)
