"""What the forensic commands print for people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from dfindex.cli.tables.console import shown_on

if TYPE_CHECKING:
    from benchmarks.engines import EngineComparison
    from dfindex.detection.calibration import OrientationCheck
    from dfindex.detection.detect import Detection
    from indexer.encoders.fetch import Fetched
    from indexer.encoders.verification import Verification

_UNSURE = ("unverified", "undetermined")


def detections_table(rows: Sequence[Detection]) -> None:
    """List what a head says of each picture, and below what that rests on."""
    table = _folding("path", "p(fake)", "word", "from")
    for row in rows:
        chance = "" if row.probability_fake is None else f"{row.probability_fake:.4f}"
        looked_at = f"{row.views} view(s)" if row.frames is None else f"{row.frames} frames"
        origin = row.problem or ("the index" if row.from_index else looked_at)
        table.add_row(Text(row.path), chance, row.word.value, Text(origin))
    console = shown_on()
    console.print(table)
    if rows:
        _footing(console, rows[0])


def _footing(console: Console, row: Detection) -> None:
    at = f"@{row.revision[:12]}" if row.revision else ""
    console.print(
        f"{row.encoder}{at}, preset {row.preset}, orientation {row.orientation}, "
        + ("no threshold given" if row.threshold is None else f"fake from {row.threshold:.4f}")
    )
    if row.orientation in _UNSURE:
        console.print(
            "Which way this head points is not known, so every picture is undecided: run "
            "dfindex doctor --orientation --labels CSV with this encoder."
        )
    if row.threshold is None:
        console.print(
            "p(fake) is the head's own figure, not calibrated on your pictures; "
            "see --fpr and --calibrate."
        )


def orientation_summary(check: OrientationCheck) -> None:
    """Say which way a head points."""
    console = shown_on()
    low, high = check.ci95
    console.print(
        f"{check.encoder}, preset {check.preset}: {check.finding.value} "
        f"(AUC {check.auc:.3f}, 95 % {low:.3f} to {high:.3f}; {check.fake} fake, {check.real} real)"
    )
    if low <= 0.5 <= high:
        console.print("So few pictures, or so close to chance, that more should be labelled.")
    for line in check.unread:
        console.print(Text(f"not read: {line}"))


def _folding(*columns: str) -> Table:
    table = Table()
    for column in columns:
        table.add_column(column, overflow="fold", no_wrap=column == "word")
    return table


def explanation_summary(result: Mapping[str, Any]) -> None:
    """Say where the overlay is and which regions stand out."""
    console = shown_on()
    console.print(Text(f"{result['overlay']}  (map: {result['map']})"))
    table = Table("region", "x, y, width, height", "share", "peak")
    for number, region in enumerate(result["top_regions"], start=1):
        box = ", ".join(str(value) for value in region.box)
        table.add_row(str(number), box, f"{region.share:.1%}", f"{region.peak:.4g}")
    console.print(table)


def fetched_summary(result: Fetched) -> None:
    """Say where an encoder lies now and how far it was checked."""
    checked = (
        "SHA-256 as published"
        if result.checked == "sha256"
        else "no SHA-256 is published; from now on only these weights are accepted"
    )
    shown_on().print(
        Text(
            f"{result.name} is in {result.folder}: {result.weights_bytes:,} bytes, {checked} "
            f"({result.weights_sha256})."
        )
    )


def verification_table(result: Verification) -> None:
    """List what was checked about an encoder's weights."""
    table = Table("check", "holds", "found")
    words = {True: "yes", False: "NO", None: "-"}
    for check in result.checks:
        table.add_row(check.what, words[check.holds], Text(check.found))
    console = shown_on()
    console.print(Text(f"{result.name} in {result.folder}"))
    console.print(table)


def engines_table(report: EngineComparison) -> None:
    """Show each engine's rate beside torch's, and how far its vectors are from torch's in fp32."""
    console = shown_on()
    console.print(
        f"{report.pictures} pictures, {report.encoder} on the CPU, batch {report.batch_size}, "
        f"median of {report.rounds} rounds"
    )
    table = Table("engine", "precision", "pictures/s", "of torch fp32", "least cosine of cls")
    for run in report.runs:
        table.add_row(
            run.engine,
            run.precision,
            f"{run.rate:.2f}",
            f"{run.of_torch:.2f} x",
            f"{run.least_cosine:.6f}",
        )
    console.print(table)
