"""From labelled features to a detector: choose a head, fit it, calibrate it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from sklearn.metrics import balanced_accuracy_score, roc_auc_score
from threadpoolctl import threadpool_limits

from indexer.types import FloatArray, Int64
from probes.calibration import NOT_CALIBRATED, Calibrator
from probes.choices import AUTO, REAL_ONLY, Calibration
from probes.dataset import Texts
from probes.heads.one_class import KnownClassesHead
from probes.heads.registry import HEADS, make_head
from probes.splits import Fold, inner_folds

CHOSEN_ON = 4_000  # samples that a head is chosen on, at most
REJECTED = 0.05  # share of known pictures that an open set may call unknown
LARGE = 4_000_000  # numbers in a matrix from which on threads help


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """How a detector is made.

    ``pooling`` is how a patch head reads tokens; ``open_set`` lets it answer unknown, to as many
    pictures of known classes as `REJECTED`.
    """

    method: str = AUTO
    parameters: dict[str, Any] = field(default_factory=dict)
    calibration: Calibration = Calibration.PLATT
    pooling: str | None = None
    tokens: int = 1
    open_set: bool = False
    seed: int = 0

    def head(self, method: str) -> Any:
        """Return a new head of a method."""
        if self.pooling is None or method == REAL_ONLY:
            return make_head(method, **self.parameters)
        from probes.heads.patch import PatchHead

        return PatchHead(base=method, pooling=self.pooling, tokens=self.tokens)


@dataclass(frozen=True)
class Choice:
    """Which head was taken and why; ``scores`` has the inner mean and its error of each."""

    method: str
    why: str
    scores: dict[str, tuple[float, float]]


@dataclass(frozen=True)
class Detector:
    """A fitted head with its calibration; ``known`` tells what belongs to none of its classes."""

    choice: Choice
    head: Any
    calibrator: Calibrator
    known: KnownClassesHead | None = None

    def probabilities(self, X: FloatArray) -> FloatArray:
        """Return P(fake) (n,), or probabilities (n, classes) where there are more classes."""
        return self.calibrator(scores_of(self.head, X))

    def is_unknown(self, X: FloatArray) -> np.ndarray[Any, np.dtype[np.bool_]]:
        """Tell which rows (n,) are like none of the classes; none are without an open set."""
        if self.known is None:
            return np.zeros(len(X), dtype=np.bool_)
        return np.asarray(self.known.predict(X) == -1)


def scores_of(head: Any, X: FloatArray) -> FloatArray:
    """Return a head's scores, higher = fake, (n,); or (n, classes)."""
    if is_real_only(head):
        return np.asarray(-head.score_samples(X))
    return np.asarray(head.decision_function(X))


def is_real_only(head: Any) -> bool:
    """Tell whether a head learns from real pictures alone."""
    return not hasattr(head, "predict_proba")


def fit(recipe: Recipe, X: FloatArray, y: Int64, groups: Texts) -> Detector:
    """Choose, fit and calibrate on these samples alone."""
    if set(y.tolist()) == {0} or recipe.method == REAL_ONLY:
        return _fit_real_only(recipe, X[y == 0], groups[y == 0])
    with threadpool_limits(_threads(X)):
        return _fitted(recipe, X, y, groups)


def _threads(X: FloatArray) -> int | None:
    """Return one thread for small products, which only wait for each other on more."""
    return 1 if X.size < LARGE else None


def _fitted(recipe: Recipe, X: FloatArray, y: Int64, groups: Texts) -> Detector:
    folds = inner_folds(y, groups, seed=recipe.seed)
    choice = _chosen(recipe, X, y, groups, folds)
    head = recipe.head(choice.method).fit(X, y, groups=groups)
    calibrator = _calibrated(recipe, choice.method, X, y, groups, folds)
    known = fit_known(X, y, groups, folds) if recipe.open_set else None
    return Detector(choice, head, calibrator, known)


def fit_known(X: FloatArray, y: Int64, groups: Texts, folds: list[Fold]) -> KnownClassesHead:
    """Learn what known classes look like; the bound is set on pictures it has not seen."""
    known = KnownClassesHead(contamination=REJECTED).fit(X, y)
    if folds:
        unseen = [
            KnownClassesHead().fit(X[train], y[train]).score_samples(X[test])
            for train, test in folds
        ]
        known.offset_ = float(np.quantile(np.concatenate(unseen), REJECTED))
    return known


def unseen_scores(
    recipe: Recipe, method: str, X: FloatArray, y: Int64, groups: Texts, folds: list[Fold]
) -> tuple[Int64, FloatArray]:
    """Return positions and scores of samples by heads that were fitted to the others."""
    positions, scores = [], []
    for train, test in folds:
        head = recipe.head(method).fit(X[train], y[train], groups=groups[train])
        positions.append(test)
        scores.append(scores_of(head, X[test]))
    return np.concatenate(positions), np.concatenate(scores)


def _calibrated(
    recipe: Recipe, method: str, X: FloatArray, y: Int64, groups: Texts, folds: list[Fold]
) -> Calibrator:
    if not folds or recipe.calibration is Calibration.NONE:
        return NOT_CALIBRATED
    places, scores = unseen_scores(recipe, method, X, y, groups, folds)
    return Calibrator.fit(recipe.calibration, scores, y[places])


def _chosen(recipe: Recipe, X: FloatArray, y: Int64, groups: Texts, folds: list[Fold]) -> Choice:
    """Return the method asked for; for auto the simplest within one error of the best."""
    if recipe.method != AUTO:
        return Choice(recipe.method, "it was asked for", {})
    if not folds:
        return Choice("prototypes", "there are too few samples to compare heads", {})
    some = _some(y, recipe.seed)
    X, y, groups = X[some], y[some], groups[some]
    folds = inner_folds(y, groups, seed=recipe.seed) if len(some) == CHOSEN_ON else folds
    scores = {method: _inner_score(recipe, method, X, y, groups, folds) for method in HEADS}
    best = max(scores, key=lambda name: scores[name][0])
    bar = scores[best][0] - scores[best][1]
    chosen = next(name for name in HEADS if scores[name][0] >= bar)
    measure = "AUC" if len(np.unique(y)) == 2 else "balanced accuracy"
    why = (
        f"mean {measure} {scores[chosen][0]:.3f} over {len(folds)} folds inside the training "
        "samples, "
        + ("the best" if chosen == best else f"the simplest within one error of {best}'s ")
        + ("" if chosen == best else f"{scores[best][0]:.3f} ± {scores[best][1]:.3f}")
    )
    return Choice(chosen, why, scores)


def _inner_score(
    recipe: Recipe, method: str, X: FloatArray, y: Int64, groups: Texts, folds: list[Fold]
) -> tuple[float, float]:
    found = []
    for train, test in folds:
        head = recipe.head(method).fit(X[train], y[train], groups=groups[train])
        if len(np.unique(y)) == 2:
            found.append(roc_auc_score(y[test], scores_of(head, X[test])))
        else:
            found.append(balanced_accuracy_score(y[test], head.predict(X[test])))
    return float(np.mean(found)), float(np.std(found, ddof=1) / np.sqrt(len(found)))


def _some(y: Int64, seed: int) -> Int64:
    if len(y) <= CHOSEN_ON:
        return np.arange(len(y))
    return np.sort(np.random.default_rng(seed).permutation(len(y))[:CHOSEN_ON])


def _fit_real_only(recipe: Recipe, X: FloatArray, groups: Texts) -> Detector:
    """Fit to real pictures; the probability is the share of them that look less strange."""
    why = "there are only real pictures" if recipe.method == AUTO else "it was asked for"
    head = recipe.head(REAL_ONLY).fit(X)
    strange = np.sort(_unseen_strangeness(recipe, X, groups))
    ranks = (np.arange(1, len(strange) + 1)) / (len(strange) + 1)
    scores, last = np.unique(strange[::-1], return_index=True)
    calibrator = Calibrator(Calibration.ISOTONIC, scores, ranks[len(strange) - 1 - last])
    return Detector(Choice(REAL_ONLY, why, {}), head, calibrator)


def _unseen_strangeness(recipe: Recipe, X: FloatArray, groups: Texts) -> FloatArray:
    folds = inner_folds(np.zeros(len(X), dtype=np.int64), groups, seed=recipe.seed)
    if not folds:
        return scores_of(recipe.head(REAL_ONLY).fit(X), X)
    return np.concatenate(
        [scores_of(recipe.head(REAL_ONLY).fit(X[train]), X[test]) for train, test in folds]
    )
