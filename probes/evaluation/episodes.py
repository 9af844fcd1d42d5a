"""Few-shot episodes: a generator nobody has seen, learnt from a handful of its pictures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from sklearn.metrics import roc_auc_score

from indexer.errors import UsageError
from indexer.types import FloatArray, Int64
from probes.choices import REAL_ONLY, SplitBy
from probes.dataset import Dataset, Texts
from probes.grouping import grouped
from probes.heads.patch import PatchHead
from probes.heads.registry import HEADS, make_head
from probes.recipe import scores_of

FEWEST_EPISODES = 100
SHOTS = (1, 5, 10, 50)
QUERIES = 15


@dataclass(frozen=True)
class EpisodeResult:
    """A head at a number of shots: means over episodes, and the 95 % interval of the mean AUC.

    ``spread`` is where 95 % of the single episodes lie: what one investigator may meet.
    """

    auc: float
    ci95: tuple[float, float]
    spread: tuple[float, float]
    balanced_accuracy: float
    episodes: int


@dataclass(frozen=True, kw_only=True)
class Episodes:
    """Every head at every number of shots, on the same episodes."""

    held_out_generator: str
    query_per_class: int
    seed: int
    pictures: dict[str, int]
    methods: dict[str, dict[int, EpisodeResult]]

    @property
    def method(self) -> str:
        """The head of the best mean rank by AUC over the numbers of shots."""
        shots = next(iter(self.methods.values()))
        ranks = {name: 0.0 for name in self.methods}
        for k in shots:
            order = sorted(self.methods, key=lambda name: -self.methods[name][k].auc)
            for rank, name in enumerate(order):
                ranks[name] += rank
        return min(ranks, key=lambda name: ranks[name])

    def to_json(self) -> dict[str, Any]:
        """Return everything as plain JSON values, under the names of the interface."""
        methods = {
            name: {str(k): asdict(result) for k, result in by_shots.items()}
            for name, by_shots in self.methods.items()
        }
        return {
            "held_out_generator": self.held_out_generator,
            "query_per_class": self.query_per_class,
            "method": self.method,
            "shots": methods[self.method],
            "methods": methods,
            "pictures": self.pictures,
            "seed": self.seed,
        }


@dataclass(frozen=True)
class Episode:
    """Positions of the pictures learnt from and asked about; half of each are fakes."""

    support: Int64
    query: Int64


def run_episodes(
    dataset: Dataset,
    *,
    held_out: str | None = None,
    shots: Sequence[int] = SHOTS,
    queries: int = QUERIES,
    episodes: int = FEWEST_EPISODES,
    seed: int = 0,
    tokens: int = 1,
    methods: Sequence[str] = (*HEADS, REAL_ONLY),
) -> Episodes:
    """Learn from ``shots`` fakes of one generator and as many real pictures; ask about others.

    Two classes, as many queries of each, groups never on both sides (the protocol of few-shot
    forgery detection, 2-way). No other generator's fakes are shown. The heads meet the same
    episodes, which depend on the seed, the shots and the labels only. Raise UsageError where
    there are fewer pictures than asked for.
    """
    name = held_out or _most_frequent(dataset)
    groups = grouped(dataset, (), SplitBy.GROUP).groups
    fakes = np.flatnonzero((dataset.y == 1) & (dataset.generators == name))
    reals = np.flatnonzero(dataset.y == 0)
    _check_enough(dataset, name, len(fakes), len(reals), max(shots), queries)
    results: dict[str, dict[int, EpisodeResult]] = {method: {} for method in methods}
    for k in shots:
        drawn = [
            draw(reals, fakes, groups, k, queries, np.random.default_rng([seed, k, number]))
            for number in range(episodes)
        ]
        for method in methods:
            figures = [_played(dataset.X, dataset.y, one, method, tokens) for one in drawn]
            results[method][k] = _summary(np.array(figures))
    return Episodes(
        held_out_generator=name,
        query_per_class=queries,
        seed=seed,
        pictures={"real": len(reals), name: len(fakes)},
        methods=results,
    )


def draw(
    reals: Int64,
    fakes: Int64,
    groups: Texts,
    shots: int,
    queries: int,
    rng: np.random.Generator,
) -> Episode:
    """Draw one episode: first the support, then queries of groups that are not among it."""
    support = np.concatenate([rng.choice(side, shots, replace=False) for side in (reals, fakes)])
    seen = np.unique(groups[support])
    query = []
    for side in (reals, fakes):
        unseen = side[~np.isin(groups[side], seen)]
        if len(unseen) < queries:
            raise UsageError(
                f"expected {queries} pictures to ask about whose groups are not among the "
                f"{shots} shots, got {len(unseen)}; ask for fewer shots or --queries, "
                "or label smaller groups"
            )
        query.append(rng.choice(unseen, queries, replace=False))
    return Episode(support, np.concatenate(query))


def _played(X: FloatArray, y: Int64, one: Episode, method: str, tokens: int) -> tuple[float, float]:
    """Return AUC and balanced accuracy of one head in one episode."""
    if method == REAL_ONLY:
        return _real_only(X, y, one)
    head = make_head(method) if tokens == 1 else PatchHead(base=method, tokens=tokens)
    scores = scores_of(head.fit(X[one.support], y[one.support]), X[one.query])
    right = (scores >= 0) == (y[one.query] == 1)
    return float(roc_auc_score(y[one.query], scores)), float(right.mean())


def _real_only(X: FloatArray, y: Int64, one: Episode) -> tuple[float, float]:
    """Learn from the real half of the support alone; one picture has no spread to learn."""
    real = one.support[y[one.support] == 0]
    if len(real) < 2:
        scores = np.linalg.norm(X[one.query] - X[real[0]], axis=1)
        return float(roc_auc_score(y[one.query], scores)), 0.5
    head = make_head(REAL_ONLY).fit(X[real])
    right = (head.predict(X[one.query]) == -1) == (y[one.query] == 1)
    return float(roc_auc_score(y[one.query], scores_of(head, X[one.query]))), float(right.mean())


def _summary(figures: FloatArray) -> EpisodeResult:
    """Summarise rows of AUC and balanced accuracy; the queries of both classes are as many."""
    auc, accuracy = figures.mean(axis=0)
    half = 1.96 * float(figures[:, 0].std(ddof=1)) / np.sqrt(len(figures))
    low, high = np.quantile(figures[:, 0], [0.025, 0.975])
    return EpisodeResult(
        auc=float(auc),
        ci95=(float(auc - half), float(auc + half)),
        spread=(float(low), float(high)),
        balanced_accuracy=float(accuracy),
        episodes=len(figures),
    )


def _most_frequent(dataset: Dataset) -> str:
    names, counts = np.unique(dataset.generators[dataset.y == 1], return_counts=True)
    return str(names[int(np.argmax(counts))])


def _check_enough(
    dataset: Dataset, name: str, fakes: int, reals: int, shots: int, queries: int
) -> None:
    needed = shots + queries
    if fakes >= needed and reals >= needed:
        return
    names, counts = np.unique(dataset.generators[dataset.y == 1], return_counts=True)
    known = ", ".join(f"{n} {c}" for n, c in zip(names, counts, strict=True))
    raise UsageError(
        f"{shots} shots and {queries} queries a class need {needed} pictures of {name} and as many "
        f"real ones, got {fakes} and {reals}; ask for fewer --shots or --queries, label more, or "
        f"hold out another generator ({known})"
    )
