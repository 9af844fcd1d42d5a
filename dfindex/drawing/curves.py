"""Curves of probes as pictures: ROC, reliability, generators, shots."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from probes.evaluation.episodes import Episodes
from probes.evaluation.metrics import RocCurve
from probes.evaluation.results import Evaluation, reliability_of

SIZE = (4.6, 3.8)
INK, ACCENT, FAINT = "#16191d", "#0b6a9c", "#9aa4b0"


def roc_plot(found: Evaluation) -> str:
    """Draw how many fakes are found for how many false positives."""

    def draw(axes: Any) -> None:
        curve = RocCurve.of(found.y, found.probabilities)
        low, high = found.ci95["auc"]
        label = f"AUC {found.metrics['auc']:.3f} ({low:.3f} to {high:.3f})"
        axes.plot([0, 1], [0, 1], color=FAINT, linewidth=1)
        axes.plot(curve.false_positives, curve.true_positives, color=ACCENT, label=label)
        axes.set(xlabel="false positive rate", ylabel="fakes found", title="ROC")
        axes.legend(loc="lower right", frameon=False)

    return _drawn(draw)


def reliability_plot(found: Evaluation) -> str:
    """Draw what probabilities were said against what came true."""

    def draw(axes: Any) -> None:
        said, seen, counts = (
            np.array(column) for column in zip(*reliability_of(found), strict=True)
        )
        axes.plot([0, 1], [0, 1], color=FAINT, linewidth=1)
        axes.scatter(said, seen, s=15 + 120 * counts / counts.max(), color=ACCENT)
        title = f"Reliability, calibration error {found.metrics['ece']:.3f}"
        axes.set(xlabel="probability said", ylabel="share that came true", title=title)
        axes.set(xlim=(-0.03, 1.03), ylim=(-0.03, 1.03))

    return _drawn(draw)


def generators_plot(found: Evaluation) -> str:
    """Draw the AUC of each generator's fakes against all real pictures."""
    rows = [row for row in found.per_generator if row.auc is not None and row.ci95 is not None]

    def draw(axes: Any) -> None:
        names = [f"{row.name} ({row.pictures})" for row in rows]
        values = np.array([row.auc for row in rows])
        bounds = np.array([row.ci95 for row in rows])
        error = np.abs(bounds.T - values)
        axes.barh(names, values, xerr=error, color=ACCENT, ecolor=INK, height=0.6)
        axes.axvline(0.5, color=FAINT, linewidth=1)
        axes.set(xlim=(0, 1), xlabel="AUC", title="Generators")

    return _drawn(draw, height=max(SIZE[1], 0.34 * len(rows) + 1.2))


def shots_plot(result: Episodes) -> str:
    """Draw each head's AUC over the number of shots."""

    def draw(axes: Any) -> None:
        for name, by_shots in result.methods.items():
            shots = list(by_shots)
            means = [by_shots[k].auc for k in shots]
            low, high = zip(*(by_shots[k].ci95 for k in shots), strict=True)
            axes.plot(shots, means, marker="o", markersize=3, label=name)
            axes.fill_between(shots, low, high, alpha=0.15)
        axes.axhline(0.5, color=FAINT, linewidth=1)
        axes.set_xscale("log")
        axes.set_xticks(shots, [str(k) for k in shots])
        axes.set_xticks([], minor=True)
        axes.set(xlabel="pictures of each class", ylabel="AUC", title=result.held_out_generator)
        axes.legend(fontsize=7, frameon=False, loc="center left", bbox_to_anchor=(1, 0.5))

    return _drawn(draw, width=6.4)


def _drawn(draw: Callable[[Any], None], *, width: float = SIZE[0], height: float = SIZE[1]) -> str:
    """Return a drawing as a data URI."""
    figure = Figure(figsize=(width, height), layout="constrained")
    axes = figure.add_subplot()
    axes.spines[["top", "right"]].set_visible(False)
    draw(axes)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=110)
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()
