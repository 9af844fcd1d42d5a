"""What tells the classes apart without looking at the pictures, by name."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from sklearn.ensemble import ExtraTreesClassifier

from indexer.types import Float32, Int64
from probes.choices import SplitBy
from probes.dataset import Dataset, Texts
from probes.evaluation.metrics import Interval, RocCurve, bootstrap
from probes.grouping import Grouped
from probes.splits import Fold

SUSPICIOUS_AUC = 0.55  # what the codec control's interval must lie above to be called a leak
LISTED = 5


@dataclass(frozen=True, kw_only=True)
class Leakage:
    """What was controlled for, and what leaks; ``findings`` says each leak in one sentence."""

    near_duplicates_removed: int
    near_duplicates: tuple[tuple[str, str], ...]
    groups_joined: int
    sources_on_both_sides: tuple[str, ...]
    sources_of_one_class: tuple[str, ...]
    codec_only_auc: float | None
    codec_only_ci95: Interval | None
    codec_cues: tuple[str, ...]
    findings: tuple[str, ...]


def leakage(
    data: Grouped, folds: Sequence[Fold], codec: Float32 | None, *, positive: int = 1, seed: int = 0
) -> Leakage:
    """Look for leaks between the sides of these folds; ``codec`` (n, d) describes the files."""
    both = _on_both_sides(data.dataset.sources, folds)
    one_class = _of_one_class(data.dataset)
    y = (data.dataset.y >= positive).astype(np.int64)
    control = None if codec is None else codec_control(codec, y, data.groups, folds, seed=seed)
    pairs = tuple(
        (removed.path, kept.path) for removed, kept in zip(data.removed, data.kept_for, strict=True)
    )
    auc, ci95, cues = control or (None, None, ())
    return Leakage(
        near_duplicates_removed=len(pairs),
        near_duplicates=pairs,
        groups_joined=data.joined,
        sources_on_both_sides=both,
        sources_of_one_class=one_class,
        codec_only_auc=auc,
        codec_only_ci95=ci95,
        codec_cues=cues,
        findings=tuple(_findings(pairs, both, one_class, auc, ci95, cues, data.by)),
    )


def codec_control(
    codec: Float32, y: Int64, groups: Texts, folds: Sequence[Fold], *, seed: int = 0
) -> tuple[float, Interval, tuple[str, ...]] | None:
    """Return what a classifier on the files' form alone reaches, and the forms it relies on.

    AUC, its 95 % interval over groups, and the names of the features that matter, the first most.
    None where the folds leave nothing to measure.
    """
    from probes.evaluation.encoding import NAMES

    scores = np.full(len(y), np.nan)
    importance = np.zeros(codec.shape[1])
    for train, test in folds:
        if len(np.unique(y[train])) < 2:
            continue
        model = ExtraTreesClassifier(200, class_weight="balanced", random_state=seed, max_depth=6)
        model.fit(codec[train], y[train])
        scores[test] = model.predict_proba(codec[test])[:, 1]
        importance += model.feature_importances_
    seen = np.flatnonzero(np.isfinite(scores))
    if len(np.unique(y[seen])) < 2:
        return None
    ci95 = bootstrap(
        lambda some: {"auc": RocCurve.of(y[seen][some], scores[seen][some]).area},
        y[seen],
        groups[seen],
        seed=seed,
    )["auc"]
    order = np.argsort(-importance, kind="stable")[:3]
    cues = tuple(NAMES[place] for place in order if importance[place] > 0)
    return RocCurve.of(y[seen], scores[seen]).area, ci95, cues


def _on_both_sides(sources: Texts, folds: Sequence[Fold]) -> tuple[str, ...]:
    shared: set[str] = set()
    for train, test in folds:
        shared |= set(sources[train]) & set(sources[test])
    return tuple(sorted(shared - {""}))


def _of_one_class(dataset: Dataset) -> tuple[str, ...]:
    """Return the sources if each holds one class only, so that a source tells the class."""
    known = dataset.sources != ""
    if not known.any() or len(np.unique(dataset.y[known])) < 2:
        return ()
    names = np.unique(dataset.sources[known])
    mixed = [n for n in names if len(np.unique(dataset.y[dataset.sources == n])) > 1]
    return () if mixed else tuple(names.tolist())


def _findings(
    pairs: Sequence[tuple[str, str]],
    both: Sequence[str],
    one_class: Sequence[str],
    auc: float | None,
    ci95: Interval | None,
    cues: Sequence[str],
    by: SplitBy,
) -> list[str]:
    found = []
    if pairs:
        names = ", ".join(f"{a} of {b}" for a, b in pairs[:LISTED])
        found.append(
            f"{len(pairs)} near-duplicates could have been on both sides of the split and were "
            f"removed: {names}{_more(len(pairs))}"
        )
    if both:
        found.append(
            f"the split by {by.value} has the same source on both sides: "
            f"{', '.join(both[:LISTED])}{_more(len(both))}"
        )
    if one_class:
        found.append(
            "each source holds one class only, so a detector of the source looks like a detector "
            f"of fakes: {', '.join(one_class[:LISTED])}{_more(len(one_class))}"
        )
    if auc is not None and ci95 is not None and ci95[0] > SUSPICIOUS_AUC:
        found.append(
            f"the files' form alone tells the classes apart: AUC {auc:.3f} "
            f"({ci95[0]:.3f} to {ci95[1]:.3f}) from {', '.join(cues)}"
        )
    return found


def _more(count: int) -> str:
    return f" and {count - LISTED} more" if count > LISTED else ""
