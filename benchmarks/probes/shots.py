"""How well a new kind of fake is learnt from a handful of pictures, and what baselines reach."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from benchmarks.machine import Machine
from benchmarks.probes.features import FeatureSet, feature_sets
from indexer.labels import read_labels
from indexer.store.catalog.labels import LabelledSample
from indexer.types import Encoder
from probes.choices import Target
from probes.dataset import Dataset, classes_of
from probes.evaluation.episodes import QUERIES, SHOTS, Episodes, run_episodes
from probes.evaluation.metrics import Interval, RocCurve, bootstrap

HEADS = ("prototypes", "lda", "logistic", "cache", "knn")
PACKAGES = ("dfindex", "numpy", "scikit-learn", "torch")


@dataclass(frozen=True)
class ZeroShot:
    """What a published detector's own output reaches on the same pictures, as it is."""

    auc: float
    ci95: Interval


@dataclass(frozen=True)
class ProbeReport:
    """Every feature set with every head at every number of shots, on the same episodes."""

    labels: str
    encoder: dict[str, object]
    pictures: dict[str, int]
    episodes: dict[str, Episodes]
    zero_shot: dict[str, ZeroShot]
    machine: Machine

    def to_json(self) -> dict[str, Any]:
        """Return the report as plain JSON values."""
        return {
            "labels": self.labels,
            "encoder": self.encoder,
            "pictures": self.pictures,
            "episodes": {name: one.to_json() for name, one in self.episodes.items()},
            "zero_shot": {name: asdict(one) for name, one in self.zero_shot.items()},
            "machine": asdict(self.machine),
        }


def run(
    labels: Path,
    encoder: Encoder,
    *,
    mesonet: Path | None = None,
    held_out: str | None = None,
    shots: Sequence[int] = SHOTS,
    queries: int = QUERIES,
    episodes: int = 100,
    seed: int = 0,
    tell: Callable[[str], None] = lambda _: None,
) -> ProbeReport:
    """Read the pictures that a label file names, and play the same episodes on all features."""
    records = records_of(labels)
    classes, y = classes_of(records, Target.FAKE)
    tell(f"{len(records)} pictures")
    sets = feature_sets([Path(one.path) for one in records], encoder, mesonet)
    played: dict[str, Episodes] = {}
    for one in sets:
        tell(one.name)
        data = Dataset(target=Target.FAKE, classes=classes, records=tuple(records), X=one.X, y=y)
        with threadpool_limits(1):  # the matrices are small
            played[one.name] = run_episodes(
                data,
                held_out=held_out,
                shots=shots,
                queries=queries,
                episodes=episodes,
                seed=seed,
                methods=HEADS,
            )
    first = next(iter(played.values()))
    generators = np.array([one.generator or "" for one in records])
    chosen = (y == 0) | (generators == first.held_out_generator)
    return ProbeReport(
        labels=str(labels),
        encoder=encoder.spec.to_json(),
        pictures=first.pictures,
        episodes=played,
        zero_shot=_zero_shots(sets, y, chosen),
        machine=Machine.here(PACKAGES),
    )


def records_of(labels: Path) -> list[LabelledSample]:
    """Return the lines of a label file as samples, numbered by line."""
    return [
        LabelledSample(
            id=row.line,
            sha256=row.raw.hex(),
            path=row.raw.decode(),
            label=row.label.label,
            generator=row.label.generator,
            source=row.label.source,
            group=row.label.group,
        )
        for row in read_labels(labels)
    ]


def _zero_shots(
    sets: Sequence[FeatureSet],
    y: np.ndarray[Any, np.dtype[np.int64]],
    chosen: np.ndarray[Any, np.dtype[np.bool_]],
) -> dict[str, ZeroShot]:
    truth = y[chosen]
    found = {}
    for one in sets:
        if one.odds is None:
            continue
        odds = one.odds[chosen]

        def figures(some: Any, odds: Any = odds) -> dict[str, float]:
            return {"auc": RocCurve.of(truth[some], odds[some]).area}

        everything = np.arange(len(truth))
        ci95 = bootstrap(figures, truth, everything)["auc"]
        found[one.name] = ZeroShot(figures(everything)["auc"], ci95)
    return found
