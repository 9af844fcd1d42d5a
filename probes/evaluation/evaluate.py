"""Measure a recipe on pictures it has not seen, and say how far its metrics can be trusted."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from sklearn.metrics import classification_report, confusion_matrix

from indexer.errors import UsageError
from indexer.types import Float32, FloatArray, Int64
from probes.choices import SplitBy, Target
from probes.dataset import REAL, Dataset
from probes.evaluation.leakage import leakage
from probes.evaluation.metrics import (
    RESAMPLES,
    RocCurve,
    binary_metrics,
    bootstrap,
    multiclass_metrics,
)
from probes.evaluation.open_set import measured
from probes.evaluation.results import Evaluation, Row, Threshold, called
from probes.grouping import Grouped, Pair, grouped
from probes.recipe import Recipe, fit
from probes.splits import Fold, folds_by_group, leave_group_out, leave_one_out

FOLDS = 5
ROW_RESAMPLES = 200  # for the rows of generators and sources


def evaluate(
    dataset: Dataset,
    recipe: Recipe,
    *,
    near_duplicates: Sequence[Pair] = (),
    codec: Callable[[Int64], Float32] | None = None,
    by: SplitBy = SplitBy.AUTO,
    max_fpr: float = 0.05,
    resamples: int = RESAMPLES,
) -> Evaluation:
    """Choose, fit and calibrate on each fold's training side, and score its test side.

    ``near_duplicates`` are pairs of sample ids that a split must not part; ``codec`` describes
    the files behind ids for the control. Raise UsageError where the labels cannot be split.
    """
    check_both(dataset)
    data = grouped(dataset, near_duplicates, SplitBy.AUTO if by is SplitBy.GENERATOR else by)
    folds = _folds(data, by, recipe.seed)
    places, probabilities, methods = _unseen(data, recipe, folds)
    tested = data.dataset.take(places)
    groups = data.groups[places]
    measure = _measure(tested, probabilities)
    described = None if codec is None else codec(data.dataset.ids)
    shown = by if by is SplitBy.GENERATOR else data.by
    generators, sources = _rows(tested, probabilities, groups, recipe.seed)
    return Evaluation(
        target=dataset.target,
        classes=dataset.classes,
        n_train=len(data.dataset),
        n_test=len(places),
        split=_described(shown, folds, data, recipe.seed),
        methods=methods,
        metrics=measure(np.arange(len(places))),
        ci95=bootstrap(measure, tested.y, groups, resamples=resamples, seed=recipe.seed),
        confusion=_confusion(tested, probabilities),
        report=_report(tested, probabilities),
        per_generator=generators,
        per_source=sources,
        worst_source=_worst(sources),
        threshold=_threshold(tested, probabilities, groups, max_fpr, resamples, recipe.seed),
        open_set=measured(data.dataset, data.groups, folds) if recipe.open_set else None,
        leakage=leakage(replace(data, by=shown), folds, described, seed=recipe.seed),
        ids=tested.ids,
        y=tested.y,
        probabilities=probabilities,
    )


def check_both(dataset: Dataset) -> None:
    """Raise UsageError where a class has no samples, so that there is nothing to measure."""
    missing = [name for name, count in dataset.counts().items() if not count]
    if missing or len(dataset.classes) < 2:
        got = ", ".join(f"{count} {name}" for name, count in dataset.counts().items())
        raise UsageError(
            f"expected labelled pictures of every class to evaluate on, got {got}; "
            "label more with dfindex label import or label set"
        )


def _folds(data: Grouped, by: SplitBy, seed: int) -> list[Fold]:
    y, dataset = data.dataset.y, data.dataset
    if by is SplitBy.GENERATOR:
        if dataset.target is not Target.FAKE or len(np.unique(dataset.generators[y == 1])) < 2:
            raise UsageError(
                "expected fakes of at least 2 generators to leave one out, and the target fake; "
                "label them with --generator, or split by group"
            )
        return leave_one_out(y, dataset.generators, data.groups, seed=seed)
    if by is SplitBy.SOURCE:
        folds = leave_group_out(y, data.groups) if len(np.unique(data.groups)) <= FOLDS else []
        return folds or folds_by_group(y, data.groups, dataset.classes, most=FOLDS, seed=seed)
    return folds_by_group(y, data.groups, dataset.classes, most=FOLDS, seed=seed)


def _unseen(
    data: Grouped, recipe: Recipe, folds: Sequence[Fold]
) -> tuple[Int64, FloatArray, tuple[str, ...]]:
    dataset, places, found, methods = data.dataset, [], [], []
    for train, test in folds:
        detector = fit(recipe, dataset.X[train], dataset.y[train], data.groups[train])
        places.append(test)
        found.append(detector.probabilities(dataset.X[test]))
        methods.append(detector.choice.method)
    return np.concatenate(places), np.concatenate(found), tuple(methods)


def _measure(tested: Dataset, probabilities: FloatArray) -> Callable[[Int64], dict[str, float]]:
    metrics = binary_metrics if probabilities.ndim == 1 else multiclass_metrics
    return lambda some: metrics(tested.y[some], probabilities[some])


def _confusion(tested: Dataset, probabilities: FloatArray) -> tuple[tuple[int, ...], ...]:
    labels = np.arange(len(tested.classes))
    matrix = confusion_matrix(tested.y, called(probabilities), labels=labels)
    return tuple(tuple(int(count) for count in row) for row in matrix)


def _report(tested: Dataset, probabilities: FloatArray) -> str:
    return str(
        classification_report(
            tested.y,
            called(probabilities),
            labels=np.arange(len(tested.classes)),
            target_names=list(tested.classes),
            digits=3,
            zero_division=0,
        )
    )


def _rows(
    tested: Dataset, probabilities: FloatArray, groups: np.ndarray[Any, Any], seed: int
) -> tuple[tuple[Row, ...], tuple[Row, ...]]:
    """Measure each generator's fakes against all real pictures, and each source by itself."""
    y = (tested.y > 0).astype(np.int64)
    fake = probabilities if probabilities.ndim == 1 else 1 - probabilities[:, 0]
    right = called(probabilities) == tested.y
    if REAL not in tested.classes:
        return (), ()
    generators, sources = [], []
    for name in np.unique(tested.generators[y == 1]):
        mine = tested.generators == name
        against = np.flatnonzero(mine | (y == 0))
        generators.append(_row(str(name), mine, against, y, fake, right, groups, seed))
    for name in np.unique(tested.sources[tested.sources != ""]):
        mine = tested.sources == name
        # A source of one class is measured against all pictures of the other one.
        other = y != y[mine][0] if len(np.unique(y[mine])) == 1 else mine
        sources.append(
            _row(str(name), mine, np.flatnonzero(mine | other), y, fake, right, groups, seed)
        )
    return tuple(generators), tuple(sources)


def _row(
    name: str,
    mine: np.ndarray[Any, Any],
    against: Int64,
    y: Int64,
    fake: FloatArray,
    right: np.ndarray[Any, Any],
    groups: np.ndarray[Any, Any],
    seed: int,
) -> Row:
    truth, scores = y[against], fake[against]
    if len(np.unique(truth)) < 2:
        return Row(
            name=name, pictures=int(mine.sum()), auc=None, ci95=None, accuracy=_share(right[mine])
        )
    ci95 = bootstrap(
        lambda some: {"auc": RocCurve.of(truth[some], scores[some]).area},
        truth,
        groups[against],
        resamples=ROW_RESAMPLES,
        seed=seed,
    )
    return Row(
        name=name,
        pictures=int(mine.sum()),
        auc=RocCurve.of(truth, scores).area,
        ci95=ci95.get("auc"),
        accuracy=_share(right[mine]),
    )


def _share(flags: np.ndarray[Any, Any]) -> float:
    return float(flags.mean())


def _worst(rows: Sequence[Row]) -> str | None:
    return min(rows, key=lambda row: (row.accuracy, row.name)).name if rows else None


def _threshold(
    tested: Dataset,
    probabilities: FloatArray,
    groups: np.ndarray[Any, Any],
    max_fpr: float,
    resamples: int,
    seed: int,
) -> Threshold | None:
    if tested.target is not Target.FAKE:
        return None
    curve = RocCurve.of(tested.y, probabilities)
    value = _finite(curve.threshold(max_fpr))
    ci95 = bootstrap(
        lambda some: {
            "value": _finite(RocCurve.of(tested.y[some], probabilities[some]).threshold(max_fpr))
        },
        tested.y,
        groups,
        resamples=resamples,
        seed=seed,
    )["value"]
    predicted = probabilities >= value
    return Threshold(
        max_fpr=max_fpr,
        value=value,
        ci95=ci95,
        tpr=_share(predicted[tested.y == 1]),
        fpr=_share(predicted[tested.y == 0]),
    )


def _finite(threshold: float) -> float:
    """Say that no score keeps to the budget with one just above all probabilities."""
    return min(threshold, float(np.nextafter(1.0, 2.0)))


def _described(by: SplitBy, folds: Sequence[Fold], data: Grouped, seed: int) -> dict[str, Any]:
    return {
        "by": by.value,
        "folds": len(folds),
        "groups": len(np.unique(data.groups)),
        "seed": seed,
    }
