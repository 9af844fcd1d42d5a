"""Split by group, never by picture."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from sklearn.model_selection import LeaveOneGroupOut, StratifiedGroupKFold, StratifiedKFold

from indexer.errors import UsageError
from indexer.types import Int64

Fold = tuple[Int64, Int64]
Texts = np.ndarray[Any, Any]


def inner_folds(y: Int64, groups: Texts | None, *, most: int = 5, seed: int = 0) -> list[Fold]:
    """Return up to ``most`` folds for choosing a parameter; none where the samples are too few.

    Every class (n,) int64 has at least one group, or without groups one sample, in each fold.
    """
    count = min(most, _smallest(y, groups))
    if count < 2:
        return []
    if groups is None:
        splitter = StratifiedKFold(count, shuffle=True, random_state=seed)
        return list(splitter.split(y, y))
    return [fold for fold in _by_group(y, groups, count, seed) if _has_all(y, fold)]


def folds_by_group(
    y: Int64, groups: Texts, names: Sequence[str], *, most: int = 5, seed: int = 0
) -> list[Fold]:
    """Return train and test positions of up to ``most`` folds, each with all classes on both sides.

    Raise UsageError where a class has fewer than two groups.
    """
    for label, name in enumerate(names):
        count = len(np.unique(groups[y == label]))
        if count < 2:
            raise UsageError(
                f"expected at least 2 groups of {name} to split by, got {count}; "
                "label pictures of more groups, or give each picture its own"
            )
    found = inner_folds(y, groups, most=most, seed=seed)
    if len(found) < 2:
        raise UsageError(
            "the groups cannot be split so that every class is on both sides; "
            "most pictures share one group: use smaller groups"
        )
    return found


def leave_one_out(y: Int64, held: Texts, groups: Texts, *, seed: int = 0) -> list[Fold]:
    """Return one fold for each value of ``held`` among class 1, with its share of class 0.

    Class 0 (real) is dealt to the folds by group, so that none of it is on both sides.
    """
    values = np.unique(held[y == 1])
    reals = np.flatnonzero(y == 0)
    folds = []
    for value, test_reals in zip(values, _dealt(groups[reals], len(values), seed), strict=True):
        out = (y == 1) & (held == value)
        testing = np.concatenate([reals[test_reals], np.flatnonzero(out)])
        shared = np.isin(groups, np.unique(groups[testing]))
        shared[testing] = True
        folds.append((np.flatnonzero(~shared), np.sort(testing)))
    return folds


def leave_group_out(y: Int64, held: Texts) -> list[Fold]:
    """Return one fold for each value of ``held`` that leaves every class on the training side."""
    folds = list(LeaveOneGroupOut().split(y, y, held))
    return [(train, test) for train, test in folds if set(y[train]) == set(y)]


def _by_group(y: Int64, groups: Texts, count: int, seed: int) -> list[Fold]:
    splitter = StratifiedGroupKFold(count, shuffle=True, random_state=seed)
    return list(splitter.split(y, y, groups))


def _smallest(y: Int64, groups: Texts | None) -> int:
    """Return how many groups, or samples, the rarest class has."""
    kept = y if groups is None else groups
    return min(
        len(np.unique(kept[y == label])) if groups is not None else int((y == label).sum())
        for label in np.unique(y)
    )


def _has_all(y: Int64, fold: Fold) -> bool:
    return all(set(y[side]) == set(y) for side in fold)


def _dealt(groups: Texts, count: int, seed: int) -> list[Int64]:
    """Deal the members of groups into ``count`` parts, whole groups at a time."""
    names, members = np.unique(groups, return_inverse=True)
    part = np.random.default_rng(seed).permutation(len(names)) % max(count, 1)
    return [np.flatnonzero(part[members] == one) for one in range(count)]
