"""Measurements as tables for people."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.table import Table

from dfindex.cli.tables.console import shown_on

WIDE = 220  # columns that the table of all methods needs

if TYPE_CHECKING:
    from rich.console import Console

    from benchmarks.build_throughput import BuildThroughput
    from benchmarks.copies.benchmark import CopyReport
    from benchmarks.copies.localisation import LocalisationReport
    from benchmarks.probes.shots import ProbeReport
    from benchmarks.search_latency import SearchReport


def throughput_table(report: BuildThroughput) -> None:
    """Show a build's rate beside the others of the same run."""
    console = shown_on()
    console.print(
        f"{report.pictures} pictures, {report.encoder} on {report.device} in {report.precision}, "
        f"batch {report.batch_size}, {report.workers} decoding, median of {report.rounds} rounds"
    )
    table = Table("what", "pictures/s", "build is")
    table.add_row("dfindex build", f"{report.build:.1f}", "")
    table.add_row("the bare model", f"{report.model:.1f}", f"{report.of_model:.2f} of it")
    table.add_row("decoding alone", f"{report.decode:.1f}", "")
    if report.plain_loop is not None:
        table.add_row(
            "a plain loop (fp32)", f"{report.plain_loop:.1f}", f"{report.of_plain_loop:.2f} x"
        )
    console.print(table)
    console.print(f"Peak memory of all processes: {report.peak_memory_mib:.0f} MiB")


def search_table(report: SearchReport) -> None:
    """Show what searches cost, part by part, and what non-matching pictures were taken for."""
    console = shown_on()
    console.print(
        f"{report.queries} attacked pictures searched for among {report.pictures}, "
        f"{report.encoder} in {report.precision}"
    )
    table = Table("milliseconds", "embed", "retrieve", "verify", "total")
    for name, latency in (("verified", report.verified), ("unverified", report.unverified)):
        for kind, values in (("median", latency.median), ("95th percentile", latency.p95)):
            table.add_row(f"{name}, {kind}", *(f"{value:.0f}" for value in values.values()))
    console.print(table)
    console.print(f"The original was the first hit, and a copy, for {report.found_first:.1%}.")
    console.print(f"{report.strangers} negatives: {len(report.false_findings)} called copies.")
    for query, sample in report.false_findings:
        console.print(f"  {query} of {sample}")


def copy_tables(copies: CopyReport | None, altered: LocalisationReport | None) -> None:
    """Show how well copies are found, and where they were altered."""
    from benchmarks.copies import localisation, tables

    if copies is not None:
        _wide_screen().print(tables.render(copies))
    if altered is not None:
        shown_on().print(localisation.render(altered))


def probe_table(report: ProbeReport) -> None:
    """Show how much few pictures teach, by features and head."""
    from benchmarks.probes import table

    _wide_screen().print(table.render(report))


def _wide_screen() -> Console:
    """Return a screen on which no figure is cut: a cut figure is no figure."""
    screen = shown_on()
    screen.width = max(screen.width, WIDE)
    return screen
