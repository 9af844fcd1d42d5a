"""What a probe reached, as one self-contained page."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from dfindex.drawing.curves import generators_plot, reliability_plot, roc_plot, shots_plot
from dfindex.templating import rendered
from indexer.store.durable import replace_file
from probes.evaluation.episodes import Episodes
from probes.evaluation.results import Evaluation
from probes.storage import Probe


def write_probe_report(path: Path, probe: Probe, found: Evaluation) -> None:
    """Write a page of a probe's figures, curves, errors by generator and source, and leaks."""
    plots = [("Reliability", reliability_plot(found))]
    if found.probabilities.ndim == 1:
        plots.insert(0, ("ROC", roc_plot(found)))
    if any(row.auc is not None for row in found.per_generator):
        plots.append(("Generators", generators_plot(found)))
    _write(path, title=f"Probe {probe.name}", probe=probe, found=found, plots=plots)


def write_episodes_report(path: Path, result: Episodes) -> None:
    """Write a page of few-shot episodes: the curve and the table."""
    plots = [("AUC over shots", shots_plot(result))]
    title = f"Few shots of {result.held_out_generator}"
    _write(path, title=title, episodes=result, plots=plots)


def _write(path: Path, **values: Any) -> None:
    page = rendered("reports/probe.html", **values)
    replace_file(path, lambda file: file.write(page.encode()))
