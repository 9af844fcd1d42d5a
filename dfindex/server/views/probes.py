"""What the probes' pages show: cards, the curve of what was not seen, and suggestions."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from dfindex.probing.new_files import suggestions
from dfindex.probing.probes import Prober
from indexer.errors import DfindexError, StoreError
from indexer.store.durable import read_sealed_json
from indexer.types import Sample
from probes.storage import EVALUATION

_SIDE = 200  # units of the drawn curve
_MOST_POINTS = 200


@dataclass(frozen=True, kw_only=True)
class ProbeState:
    """A probe's card, its figures, its ROC as points of a line, and what to label next."""

    card: dict[str, Any]
    evaluation: dict[str, Any] | None
    curve: str | None
    suggested: list[tuple[Sample, float]]


def cards(index: Path) -> list[dict[str, Any]]:
    """Return the cards of all probes, without the training sets."""
    with Prober(index) as prober:
        return [{**card, "training": len(card["training"])} for card in prober.cards()]


def probe_state(index: Path, name: str, *, count: int = 12) -> ProbeState:
    """Return a probe as its page shows it; raise UsageError where there is none."""
    with Prober(index) as prober:
        prober.load(name)
        card = next(one for one in prober.cards() if one["name"] == name)
        evaluation = _evaluation(index / "probes" / name / EVALUATION)
        try:
            found = suggestions(prober, name, count=count)
        except DfindexError:
            found = []  # features of another space: there is nothing to suggest here
        samples = prober.samples(np.array([one["id"] for one in map(vars, found)], dtype=np.int64))
    shares = {one.id: one.probability for one in found}
    return ProbeState(
        card=card,
        evaluation=evaluation,
        curve=_curve(evaluation),
        suggested=[(one, shares[one.id]) for one in samples],
    )


def _evaluation(path: Path) -> dict[str, Any] | None:
    try:
        return read_sealed_json(path)
    except StoreError:
        return None


def _curve(evaluation: dict[str, Any] | None) -> str | None:
    """Return the ROC as SVG points, true positives upwards; None of a probe of many classes."""
    if evaluation is None:
        return None
    y = np.asarray(evaluation["unseen"]["y"])
    scores = np.asarray(evaluation["unseen"]["probabilities"])
    if scores.ndim != 1 or len(np.unique(y)) != 2:
        return None
    from sklearn.metrics import roc_curve

    false, true, _ = roc_curve(y, scores)
    picked = np.unique(np.linspace(0, len(false) - 1, _MOST_POINTS).round().astype(int))
    return " ".join(
        f"{_SIDE * x:.1f},{_SIDE * (1 - y):.1f}"
        for x, y in zip(false[picked], true[picked], strict=True)
    )
