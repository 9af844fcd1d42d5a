"""The copy benchmark's report as tables for people."""

from __future__ import annotations

from rich.console import Group
from rich.table import Table

from benchmarks.copies.benchmark import ALL, AttackRow, CopyReport, PredictedCopies


def render(report: CopyReport) -> Group:
    """Return a table of every method under every attack, for each set of pictures."""
    parts: list[Table | str] = [_conditions(report)]
    for pictures in dict.fromkeys(row.pictures for row in report.rows):
        parts.append(_table(report, pictures))
    parts += [_said(attack, called) for attack, called in report.called.items()]
    return Group(*parts)


def _conditions(report: CopyReport) -> str:
    return (
        f"{report.references} references, {report.references_from_train} of them from train/ "
        f"(never queried); {report.originals} originals and {report.distractors} distractor "
        f"queries an attack; seed {report.seed}"
    )


def _said(attack: str, called: PredictedCopies) -> str:
    share = called.copies / called.ranked_first if called.ranked_first else 0.0
    return (
        f"{attack}: of {called.ranked_first} originals ranked first by the verified search "
        f"{called.copies} are called copies ({_two(share)}); {called.wrong} other pictures are"
    )


def _table(report: CopyReport, pictures: str) -> Table:
    rows = {(row.method, row.attack): row for row in report.rows if row.pictures == pictures}
    methods = list(dict.fromkeys(method for method, _ in rows))
    first = rows[methods[0], ALL]
    count = len(report.attacks)
    originals, distractors = first.queries // count, first.distractors // count
    table = Table(
        title=f"µAP / R@1 / R@50, {originals} originals and {distractors} distractors an attack"
    )
    table.add_column("attack")
    for method in methods:
        table.add_column(method, justify="right")
    for attack in report.attacks:
        table.add_row(attack, *(_cell(rows[method, attack]) for method in methods))
    table.add_section()
    totals = [rows[method, ALL] for method in methods]
    table.add_row(f"all {count}", *(_cell(row) for row in totals))
    table.add_row("µAP, 95 % interval", *(_interval(row) for row in totals))
    table.add_row("recall at precision 90", *(_two(row.figures.recall_at_p90) for row in totals))
    table.add_row("seconds a query", *(_seconds(report, method) for method in methods))
    return table


def _cell(row: AttackRow) -> str:
    figures = row.figures
    shares = (figures.micro_ap, figures.recall_at_1, figures.recall_at_50)
    return "/".join(_two(share) for share in shares)


def _interval(row: AttackRow) -> str:
    low, high = row.ci95["micro_ap"]
    return f"{_two(low)} to {_two(high)}"


def _seconds(report: CopyReport, method: str) -> str:
    cost = report.costs[method]
    return f"{cost.query_seconds / max(1, cost.queries):.4f}"


def _two(share: float) -> str:
    """Round down: a share below 1 never reads as 1.00."""
    return f"{int(share * 100 + 1e-9) / 100:.2f}"
