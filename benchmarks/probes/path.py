"""How long the way from labels to a report takes, command by command, as a person goes it.

``python -m benchmarks.probes.path LABELS.csv``; the pictures lie beside the labels. A tenth of the
labels is kept back, so that there is something to suggest.
"""

from __future__ import annotations

import argparse
import csv
import json
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from benchmarks.command import called
from benchmarks.machine import Machine

_KEPT_BACK = 10  # every so many labels one is left out


@dataclass(frozen=True, kw_only=True)
class PathReport:
    """Seconds of each command, each in a process of its own, and what the evaluation said."""

    labels: int
    seconds: dict[str, float]
    whole_s: float
    auc: float
    auc_ci95: tuple[float, float]
    machine: Machine


def main(arguments: list[str] | None = None) -> None:
    """Go the way once, and print the report as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("labels", type=Path)
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        report = run(options.labels.resolve(), Path(folder))
    sys.stdout.write(json.dumps(asdict(report), indent=1) + "\n")


def run(labels: Path, folder: Path) -> PathReport:
    """Label, build, train, evaluate, apply, search, suggest and report, in a folder."""
    some = folder / "labels.csv"
    count, picture = _shortened(labels, some)
    commands: dict[str, list[str]] = {
        "build --labels": ["build", str(labels.parent), "--labels", str(some)],
        "probe train": ["probe", "train", "new"],
        "probe evaluate --report": ["probe", "evaluate", "new", "--report", "new.html"],
        "probe apply": ["probe", "apply", "new"],
        "search --where": ["search", str(picture), "--where", "probe.new > 0.5", "--no-verify"],
        "probe apply FILE": ["probe", "apply", "new", str(picture)],
        "probe suggest": ["probe", "suggest", "new"],
        "probe show": ["probe", "show", "new", "--json"],
    }
    seconds, said = {}, {}
    for name, command in commands.items():
        started = time.perf_counter()
        said[name] = called(command, within=folder)
        seconds[name] = round(time.perf_counter() - started, 2)
    reached = json.loads(said["probe show"])["figures"]
    low, high = reached["ci95"]["auc"]
    return PathReport(
        labels=count,
        seconds=seconds,
        whole_s=round(sum(seconds.values()), 1),
        auc=reached["figures"]["auc"],
        auc_ci95=(low, high),
        machine=Machine.here(("dfindex", "scikit-learn", "torch")),
    )


def _shortened(labels: Path, target: Path) -> tuple[int, Path]:
    """Write most of the labels with whole paths; return how many, and one picture's path."""
    with labels.open(newline="") as file:
        rows = list(csv.DictReader(file))
    kept = [row for number, row in enumerate(rows) if number % _KEPT_BACK]
    for row in kept:
        row["path"] = str(labels.parent / row["path"])
    with target.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(kept)
    return len(kept), Path(kept[0]["path"])


if __name__ == "__main__":
    main()
