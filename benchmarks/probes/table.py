"""The probe benchmark's report as a table for people."""

from __future__ import annotations

from rich.console import Group
from rich.table import Table

from benchmarks.probes.shots import ProbeReport


def render(report: ProbeReport) -> Group:
    """Return a row for each feature set and head, the best mean rank of a set marked."""
    first = next(iter(report.episodes.values()))
    shots = list(first.methods[first.method])
    table = Table(
        "features", "head", *(f"{k} shot{'' if k == 1 else 's'}" for k in shots), "0 shots"
    )
    for name, played in report.episodes.items():
        for head, by_shots in played.methods.items():
            cells = [f"{one.auc:.3f} ± {one.ci95[1] - one.auc:.3f}" for one in by_shots.values()]
            mark = " *" if head == played.method else ""
            table.add_row(name, head + mark, *cells, _zero(report, name, head == played.method))
        table.add_section()
    some = first.methods[first.method][shots[0]]
    words = (
        f"Held out: {first.held_out_generator}, "
        + ", ".join(f"{count} {name}" for name, count in report.pictures.items())
        + f"; {some.episodes} episodes, {first.query_per_class} queries a class, "
        f"seed {first.seed}; mean AUC ± half its 95 % interval"
    )
    return Group(
        words, table, "* the best mean rank of these features; 0 shots: the detector's own"
    )


def _zero(report: ProbeReport, name: str, first: bool) -> str:
    found = report.zero_shot.get(name)
    if found is None or not first:
        return ""
    return f"{found.auc:.3f} ({found.ci95[0]:.3f} to {found.ci95[1]:.3f})"
