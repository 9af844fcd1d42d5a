"""Probes as tables for people."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from dfindex.cli.tables.console import shown_on

if TYPE_CHECKING:
    from dfindex.probing.new_files import ProbeVerdict, Suggestion
    from dfindex.probing.results import Applied, Training
    from probes.evaluation.episodes import EpisodeResult, Episodes
    from probes.evaluation.results import Evaluation, Row

_WORDS = {
    "auc": "AUC",
    "ap": "average precision",
    "eer": "equal error rate",
    "tpr@0.01": "fakes found at 1 % false positives",
    "tpr@0.05": "fakes found at 5 % false positives",
    "balanced_accuracy": "balanced accuracy",
    "ece": "calibration error",
    "accuracy": "accuracy",
    "macro_f1": "macro F1",
}


def training_summary(result: Training) -> None:
    """Say what was trained, why this head, and what it reached."""
    console, probe = shown_on(), result.probe
    counts = ", ".join(f"{count} {name}" for name, count in probe.label_counts.items())
    console.print(f"Probe {probe.name} learnt from {counts}.", markup=False)
    choice = probe.detector.choice
    console.print(f"Head: {choice.method}, because {choice.why}.", markup=False)
    for note in result.notes:
        console.print(f"Note: {note}", markup=False)
    if result.evaluation is not None:
        evaluation_summary(result.evaluation)
    console.print(
        f"Kept in the index; from {probe.threshold:.3f} on a picture is called fake. "
        f"Next: dfindex probe apply {probe.name}",
        markup=False,
    )


def evaluation_summary(found: Evaluation) -> None:
    """Show the figures, what they rest on, and what leaks."""
    console = shown_on()
    split = found.split
    console.print(
        f"{found.n_test} pictures scored by heads that had not seen them: {split['folds']} folds "
        f"by {split['by']}, {split['groups']} groups, seed {split['seed']}."
    )
    table = Table("figure", "value", "95 % interval over groups")
    for name, value in found.metrics.items():
        low, high = found.ci95.get(name, (float("nan"), float("nan")))
        table.add_row(_WORDS.get(name, name), f"{value:.3f}", f"{low:.3f} to {high:.3f}")
    console.print(table)
    _threshold(console, found)
    console.print(Text(found.report))
    console.print(_confusion(found))
    for title, rows in (("generator", found.per_generator), ("source", found.per_source)):
        if rows:
            console.print(_rows(title, rows))
    if found.worst_source is not None:
        console.print(f"Worst source: {found.worst_source}", markup=False)
    if found.open_set is not None:
        one = found.open_set
        console.print(f"Of known classes {one.known_called_unknown:.1%} are called unknown.")
        for name, auc in one.auc.items():
            console.print(
                f"Held out altogether, {name} looks strange with AUC {auc:.3f}; "
                f"{one.called_unknown[name]:.0%} of it is called unknown.",
                markup=False,
            )
    _leakage(console, found)


def _threshold(console: Console, found: Evaluation) -> None:
    one = found.threshold
    if one is not None:
        console.print(
            f"Threshold for at most {one.max_fpr:.0%} false positives: {one.value:.3f} "
            f"({one.ci95[0]:.3f} to {one.ci95[1]:.3f}); it finds {one.tpr:.0%} of the fakes and "
            f"accuses {one.fpr:.1%} of the real pictures."
        )


def _confusion(found: Evaluation) -> Table:
    table = Table("truth \\ called", *found.classes, title="Confusion")
    for name, row in zip(found.classes, found.confusion, strict=True):
        table.add_row(name, *map(str, row))
    return table


def _rows(title: str, rows: Sequence[Row]) -> Table:
    table = Table(title, "pictures", "AUC", "95 % interval", "called right")
    for row in rows:
        interval = "" if row.ci95 is None else f"{row.ci95[0]:.3f} to {row.ci95[1]:.3f}"
        auc = "" if row.auc is None else f"{row.auc:.3f}"
        table.add_row(Text(row.name), str(row.pictures), auc, interval, f"{row.accuracy:.3f}")
    return table


def _leakage(console: Console, found: Evaluation) -> None:
    leak = found.leakage
    console.print(
        f"Leakage control: {leak.near_duplicates_removed} near-duplicates removed"
        + (f", {leak.groups_joined} pairs of unlike labels joined" if leak.groups_joined else "")
        + "; "
        + (
            "the files' form was not looked at."
            if leak.codec_only_auc is None or leak.codec_only_ci95 is None
            else f"the files' form alone reaches AUC {leak.codec_only_auc:.3f} "
            f"({leak.codec_only_ci95[0]:.3f} to {leak.codec_only_ci95[1]:.3f})."
        )
    )
    if not leak.findings:
        console.print("No leak was found.")
    for finding in leak.findings:
        console.print(Text(f"LEAK: {finding}", style="bold red"))


def episodes_table(result: Episodes) -> None:
    """Show every head at every number of shots."""
    console = shown_on()
    some = next(iter(next(iter(result.methods.values())).values()))
    console.print(
        f"Held out: {result.held_out_generator}; {some.episodes} episodes a number of shots, "
        f"{result.query_per_class} queries a class, seed {result.seed}. Mean AUC with the 95 % "
        "interval of the mean over episodes, which share pictures.",
        markup=False,
    )
    shots = list(next(iter(result.methods.values())))
    table = Table("head", *(f"{k} shot{'' if k == 1 else 's'}" for k in shots))
    for name, by_shots in result.methods.items():
        style = "bold" if name == result.method else ""
        table.add_row(name, *(_result(by_shots[k]) for k in shots), style=style)
    console.print(table)
    console.print(f"Best mean rank: {result.method}")


def _result(one: EpisodeResult) -> str:
    return f"{one.auc:.3f} ± {one.ci95[1] - one.auc:.3f}"


def applied_summary(result: Applied) -> None:
    """Say how many samples were scored."""
    shown_on().print(
        f"{result.scored} samples scored, {result.above_threshold} of them at or above the "
        f"threshold {result.threshold:.3f}. "
        f'Next: dfindex search IMAGE --where "probe.{result.probe} > 0.9"',
        markup=False,
    )


def verdicts_table(rows: Sequence[ProbeVerdict]) -> None:
    """List files with what a probe says of them."""
    table = Table("probability of fake", "label", "path")
    for row in rows:
        table.add_row(f"{row.probability:.3f}", row.label, Text(row.path, overflow="fold"))
    shown_on().print(table)


def suggestions_table(rows: Sequence[Suggestion]) -> None:
    """List the pictures to label next."""
    if not rows:
        shown_on().print("Every picture that can be suggested has a label.")
        return
    table = Table("id", "probability of fake", "uncertainty", "path")
    for row in rows:
        path = Text(row.path, overflow="fold")
        table.add_row(str(row.id), f"{row.probability:.3f}", f"{row.uncertainty:.3f}", path)
    shown_on().print(table)
    shown_on().print("Label one with: dfindex label set ID real|fake --generator NAME")


def cards_table(cards: Sequence[dict[str, Any]]) -> None:
    """List probes."""
    table = Table("name", "target", "head", "features", "learnt from", "AUC", "made at")
    for card in cards:
        counts = ", ".join(f"{count} {name}" for name, count in card["label_counts"].items())
        figures = card["figures"]
        auc = "" if figures is None else f"{figures['figures']['auc']:.3f}"
        table.add_row(
            card["name"],
            card["target"],
            card["method"],
            card["features"]["kind"],
            Text(counts),
            auc,
            card["made_at"],
        )
    shown_on().print(table if cards else "No probes; make one with dfindex probe train NAME.")


def card_table(card: dict[str, Any]) -> None:
    """Show a probe's card, but for the list of what it learnt from."""
    table = Table("what", "value", show_header=False)
    for name, value in card.items():
        if name == "training":
            value = f"{len(value)} contents (--json lists their SHA-256)"
        if name != "head":
            table.add_row(name.replace("_", " "), Text(str(value), overflow="fold"))
    shown_on().print(table)
