"""How well what nobody has seen is told from what is known: generators held out, one by one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from sklearn.metrics import roc_auc_score

from indexer.types import Int64
from probes.dataset import REAL, Dataset, Texts
from probes.recipe import fit_known
from probes.splits import Fold, inner_folds

FEWEST = 5  # pictures of a generator that it is held out with


@dataclass(frozen=True, kw_only=True)
class OpenSet:
    """What answering unknown is worth.

    ``known_called_unknown`` is the share of unseen pictures of known classes. For each generator
    held out altogether, ``auc`` says how much stranger its pictures look than unseen pictures of
    the other classes, and ``called_unknown`` how many of them are called unknown.
    """

    known_called_unknown: float
    auc: dict[str, float]
    called_unknown: dict[str, float]


def measured(dataset: Dataset, groups: Texts, folds: Sequence[Fold]) -> OpenSet:
    """Hold out each generator in turn, over the same folds as everything else."""
    y, X = dataset.y, dataset.X
    rejected = []
    for train, test in folds:
        known = fit_known(X[train], y[train], groups[train], _inner(y, groups, train))
        rejected.append(known.predict(X[test]) == -1)
    auc, called = {}, {}
    for place, name in enumerate(dataset.classes):
        if name == REAL or int((y == place).sum()) < FEWEST or len(dataset.classes) < 3:
            continue
        train, test = folds[0]
        seen, others = train[y[train] != place], test[y[test] != place]
        held = np.flatnonzero(y == place)
        known = fit_known(X[seen], y[seen], groups[seen], _inner(y, groups, seen))
        strange = -known.score_samples(X[np.concatenate([others, held])])
        truth = np.repeat([0, 1], [len(others), len(held)])
        auc[name] = float(roc_auc_score(truth, strange))
        called[name] = float((known.predict(X[held]) == -1).mean())
    share = float(np.concatenate(rejected).mean())
    return OpenSet(known_called_unknown=share, auc=auc, called_unknown=called)


def _inner(y: Int64, groups: Texts, some: Int64) -> list[Fold]:
    return inner_folds(y[some], groups[some])
