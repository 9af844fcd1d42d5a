"""The copy benchmark: attacked photographs, searched for among references by every method.

On held-out photographs only: originals and distractor queries come from ``test/``. Where the
references asked for are more than ``test/`` and ``validation/`` hold, photographs of ``train/``
fill them up, as references that no query was made from; the report counts them.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from benchmarks.copies.attacks import ATTACKS
from benchmarks.copies.compared import all_methods
from benchmarks.copies.methods import Method
from benchmarks.copies.pipeline_method import Pipeline
from benchmarks.copies.queries import Photographs, choose, queries
from benchmarks.copies.retrieval_metrics import Figures, Ranking, bootstrap
from benchmarks.machine import Machine
from indexer.encoders import registry
from indexer.errors import UsageError
from indexer.types import Encoder, Float32, Int64
from search.verdict import COPIES, Verdict

ALL = "all"
PACKAGES = ("dfindex", "numpy", "pillow", "opencv-python-headless", "torch", "imagehash", "pdqhash")


@dataclass(frozen=True)
class AttackRow:
    """What one method gave under one attack, or under all of them.

    ``pictures`` is ``all``, or ``subset``: the originals that the slow methods were run on too.
    """

    method: str
    attack: str
    pictures: str
    queries: int
    distractors: int
    figures: Figures
    ci95: dict[str, tuple[float, float]]


@dataclass(frozen=True)
class PredictedCopies:
    """What a verified search says of its first hits.

    Of the copies, ``ranked_first`` counts those whose original is the first hit, ``copies`` those
    of them that are called copies; ``wrong`` counts other first hits that are called copies.
    """

    ranked_first: int
    copies: int
    wrong: int


@dataclass
class Cost:
    """How long a method took over the references, and over its queries, in seconds."""

    index_seconds: float = 0.0
    query_seconds: float = 0.0
    queries: int = 0


@dataclass(frozen=True)
class CopyReport:
    """Everything the copy benchmark found out, and under which conditions."""

    seed: int
    encoder: dict[str, object] | None
    references: int
    references_from_train: int
    originals: int
    distractors: int
    subset_originals: int
    subset_distractors: int
    attacks: list[str]
    rows: list[AttackRow]
    costs: dict[str, Cost]
    called: dict[str, PredictedCopies]
    machine: Machine

    def to_json(self) -> dict[str, object]:
        """Return the report as plain JSON values."""
        return asdict(self)

    def row(self, method: str, attack: str = ALL, pictures: str = ALL) -> AttackRow:
        """Return one row; KeyError where there is none."""
        for row in self.rows:
            if (row.method, row.attack, row.pictures) == (method, attack, pictures):
                return row
        raise KeyError(f"{method} under {attack} on {pictures}")


def run(
    photos: Path,
    *,
    encoder: Encoder | None = None,
    methods: Sequence[Method] | None = None,
    references: int = 1000,
    originals: int = 100,
    distractors: int = 60,
    slow_originals: int | None = 60,
    attacks: Sequence[str] = (),
    seed: int = 0,
    bootstrap_samples: int = 200,
    progress: Callable[[str], None] | None = None,
) -> CopyReport:
    """Attack, search and measure.

    Without ``methods`` those of `all_methods` are compared, with ``encoder`` or the packaged one.
    ``attacks`` are names of `ATTACKS`, all where none is named; raise UsageError for another.
    Slow methods see the first ``slow_originals`` originals (None: all) and as large a part of the
    distractors; then every method is measured on that subset as well.
    """
    tell = progress or (lambda _: None)
    attacks = tuple(dict.fromkeys(attacks)) or tuple(ATTACKS)
    unknown = set(attacks) - set(ATTACKS)
    if unknown:
        raise UsageError(f"expected attacks out of {', '.join(ATTACKS)}, got {sorted(unknown)}")
    if methods is None:
        encoder = encoder or registry.load()
        methods = all_methods(encoder)
    pictures = choose(
        photos, references=references, originals=originals, distractors=distractors, seed=seed
    )
    subset = _subset(pictures, slow_originals)
    costs = {method.name: _index(method, pictures, tell) for method in methods}
    scores: dict[str, dict[str, Float32]] = {method.name: {} for method in methods}
    called: dict[str, PredictedCopies] = {}
    for attack in attacks:
        made = queries(pictures, attack, seed=seed)
        for method in methods:
            tell(f"{attack}: {method.name}")
            asked = [made[i] for i in subset] if method.slow else made
            found = _ask(method, asked, costs[method.name])
            scores[method.name][attack] = found
            if isinstance(method, Pipeline) and method.verdicts:
                called[attack] = _called(found, method.verdicts, pictures.truth)
    return CopyReport(
        seed=seed,
        encoder=encoder.spec.to_json() if encoder else None,
        references=len(pictures.references),
        references_from_train=pictures.from_train,
        originals=originals,
        distractors=distractors,
        subset_originals=int((pictures.truth[subset] >= 0).sum()),
        subset_distractors=int((pictures.truth[subset] < 0).sum()),
        attacks=list(attacks),
        rows=_rows(methods, scores, pictures.truth, subset, samples=bootstrap_samples, seed=seed),
        costs=costs,
        called=called,
        machine=Machine.here(PACKAGES),
    )


def _index(method: Method, pictures: Photographs, tell: Callable[[str], None]) -> Cost:
    tell(f"{method.name}: {len(pictures.references)} references")
    start = time.perf_counter()
    method.index(pictures.references)
    return Cost(index_seconds=time.perf_counter() - start)


def _ask(method: Method, asked: Sequence[Image.Image], cost: Cost) -> Float32:
    start = time.perf_counter()
    scores = method.scores(asked)
    cost.query_seconds += time.perf_counter() - start
    cost.queries += len(asked)
    return scores


def _called(scores: Float32, verdicts: Sequence[Verdict | None], truth: Int64) -> PredictedCopies:
    right = scores.argmax(axis=1) == truth
    copies = np.array([verdict in COPIES for verdict in verdicts])
    return PredictedCopies(
        int(right.sum()), int((right & copies).sum()), int((~right & copies).sum())
    )


def _subset(pictures: Photographs, slow_originals: int | None) -> Int64:
    """Return the positions of the queries that slow methods are asked."""
    originals, distractors = len(pictures.originals), len(pictures.distractors)
    some = originals if slow_originals is None else min(originals, max(1, slow_originals))
    others = round(distractors * some / originals)
    return np.concatenate([np.arange(some), originals + np.arange(others)])


def _rows(
    methods: Sequence[Method],
    scores: dict[str, dict[str, Float32]],
    truth: Int64,
    subset: Int64,
    *,
    samples: int,
    seed: int,
) -> list[AttackRow]:
    everything = np.arange(len(truth))
    rows = []
    for method in methods:
        by_attack = scores[method.name]
        if not method.slow or len(subset) == len(truth):
            rows += _measured(method.name, ALL, by_attack, truth, everything, samples, seed)
        if len(subset) < len(truth):
            own = {a: s if method.slow else s[subset] for a, s in by_attack.items()}
            rows += _measured(method.name, "subset", own, truth, subset, samples, seed)
    return rows


def _measured(
    method: str,
    pictures: str,
    by_attack: dict[str, Float32],
    truth: Int64,
    asked: Int64,
    samples: int,
    seed: int,
) -> list[AttackRow]:
    """Measure each attack, then all of them pooled."""
    pooled = {**by_attack, ALL: np.concatenate(list(by_attack.values()))}
    rows = []
    for attack, matrix in pooled.items():
        times = len(matrix) // len(asked)
        right = np.tile(truth[asked], times)
        ranking = Ranking.of(matrix, right)
        # the same draws for every method: intervals differ by the method alone
        rng = np.random.default_rng(seed)
        ci95 = bootstrap(ranking, np.tile(asked, times), samples=samples, rng=rng)
        with_reference = int((right >= 0).sum())
        figures, distractors = ranking.figures(), len(right) - with_reference
        rows.append(AttackRow(method, attack, pictures, with_reference, distractors, figures, ci95))
    return rows
