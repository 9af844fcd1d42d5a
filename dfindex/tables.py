"""Results as tables for people."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table
from rich.text import Text

from dfindex import availability
from dfindex.console import shown_on
from dfindex.places import page_of, place_of

if TYPE_CHECKING:
    from dfindex.maintenance import Relocation, Removal
    from dfindex.status import Status
    from indexer.build import BuildReport
    from indexer.encoders.known import EncoderEntry
    from indexer.store.catalog import Failure
    from indexer.store.compaction import Compaction
    from indexer.store.examination import Examination
    from indexer.store.labelling import Labelling
    from indexer.types import Sample
    from search.results import Hit, SearchResult
    from search.video_results import VideoSearchResult

_LISTED = 20
_VERDICT_STYLES = {
    "exact": "bold green",
    "copy": "green",
    "altered_copy": "bold yellow",
    "similar": "cyan",
}


def build_summary(report: BuildReport, index: Path) -> None:
    """Say what a build did with every file it saw."""
    console = shown_on()
    read = report.embedded + report.linked + report.failed
    rate = f", {read / report.seconds:.1f} a second" if read and report.seconds > 0 else ""
    console.print(
        f"{report.seen} files seen: {report.unchanged} unchanged, {report.embedded} embedded, "
        f"{report.linked} further copies of known contents, {report.failed} failed "
        f"({report.seconds:.1f} s{rate})."
    )
    if report.failed_in_all:
        console.print(
            f"{report.failed_in_all} files in the index could not be indexed; "
            "dfindex failures lists them with reasons."
        )
    _missing(console, report)
    _labelled(
        report.labelled,
        report.labels_unmatched,
        report.labels_conflicts,
        report.labels_matched_by_end,
    )
    console.print(f"Index {index} is at generation {report.generation}.")


def _missing(console: Console, report: BuildReport) -> None:
    if report.pruned:
        console.print(f"{report.pruned} files that have vanished were removed from the index.")
    if report.missing:
        _list(console, "indexed files have vanished", report.missing)
        console.print("They stay in the index; dfindex build --prune forgets them.")


def status_table(status: Status) -> None:
    """Show an index in figures."""
    console = shown_on()
    media = status.media
    console.print(f"Index {status.index}, generation {status.generation}, {_size(status.bytes)}")
    console.print(
        f"Files: {media.seen} seen = {media.indexed} indexed + {media.failed} failed; "
        f"{media.missing} vanished since, {media.removed} removed."
    )
    if status.files is not None:
        console.print(
            f"There now: {status.files.present} as they were, {status.files.changed} changed, "
            f"{status.files.gone} gone; {status.files.links} are links to others."
        )
        if status.files.gone:
            console.print("dfindex relocate OLD NEW tells the index where a folder is by now.")
        if status.files.unverified:
            console.print(
                f"{status.files.unverified} have another time and the size they had; "
                "dfindex doctor reads them."
            )
    console.print(
        "Samples: " + ", ".join(f"{count} {kind}" for kind, count in status.samples.items())
    )
    table = Table(
        "space", "encoder", "fingerprint", "samples", "bytes each", "neighbours", "made on"
    )
    for space in status.spaces:
        ann = space.ann
        table.add_row(
            space.name,
            space.encoder,
            space.fingerprint,
            str(space.samples),
            f"{space.bytes_per_sample:,}",
            f"{ann['kind']}, recall@10 {ann['recall_at_10']:.3f}" if ann else "not cached",
            ", ".join(space.devices),
        )
    console.print(table)


def failures_table(rows: Sequence[Failure]) -> None:
    """List failures by path."""
    console = shown_on()
    if not rows:
        console.print("No file failed.")
        return
    table = _folding("path", "reason", "message")
    for row in rows:
        table.add_row(Text(row.path), row.reason, Text(row.message))
    console.print(table)


def hits_table(result: SearchResult) -> None:
    """Show the hits of a search under what they speak for."""
    console = shown_on()
    done = result.completeness
    console.print(
        f"Searched {done.indexed} indexed of {done.seen} files ({done.failed} failed), "
        f"space {result.index.space}, in {result.timing_ms.total:.0f} ms."
    )
    say_unavailable(result)
    if not result.hits:
        console.print("Nothing reaches the threshold.")
        return
    table = _folding("", "score", "verdict", "path", "size", "label")
    for hit in result.hits:
        table.add_row(
            str(hit.rank),
            f"{hit.score:.4f}",
            verdict_text(hit.verdict.value),
            path_text(hit.sample, place=place_of),
            f"{hit.sample.width}x{hit.sample.height}",
            _label(hit),
        )
    console.print(table)
    if not result.found:
        console.print("No copy was found: these are only the nearest.")


def say_unavailable(result: SearchResult | VideoSearchResult) -> None:
    """Say which files could not be opened."""
    for words in (availability.of_query(result.query), availability.of_all(result.unavailable)):
        if words:
            shown_on().print(words, style="yellow")


def path_text(sample: Sample, style: str = "", *, place: Callable[[Sample], str] = page_of) -> Text:
    """Return a sample's path and place, with a word where its file could not be opened."""
    text, words = Text(sample.path + place(sample), style), availability.of_sample(sample)
    return text.append(f"\n{words}", "yellow") if words else text


def removal_summary(result: Removal) -> None:
    """Say what was removed."""
    console = shown_on()
    console.print(f"{result.removed} files removed from the index.")
    _list(console, "names fit nothing in the index", result.unknown)


def compaction_summary(result: Compaction) -> None:
    """Say what a compaction gave back."""
    shown_on().print(
        f"{result.segments_before} segments are now {result.segments_after}; "
        f"{result.rows_dropped} removed rows dropped, "
        f"{_size(result.bytes_before)} became {_size(result.bytes_after)}."
    )


def examination_table(result: Examination) -> None:
    """Show what is wrong with an index and what was done about it."""
    console = shown_on()
    if result.healthy:
        console.print(f"Everything matches its checksum ({result.segments} segments).")
    for finding in result.findings:
        lost = f" Lost: {finding.loses}." if finding.loses else ""
        console.print(Text(f"{finding.path}: {finding.problem}.{lost}"))
    for action in result.actions:
        console.print(Text(f"Mended: {action}."))
    if result.files is not None:
        console.print(
            f"{result.files.seen} indexed files: {result.files.read} compared by SHA-256, "
            f"the others by size and time."
        )
        _list(console, "are gone or cannot be read", result.files.gone)
        _list(console, "are not what was indexed", result.files.changed)
    for head in result.heads:
        told = "not checked, its encoder is not here" if head.largest is None else ""
        told = told or f"logit = W cls + b within {head.largest:.2g}"
        console.print(Text(f"Head of {head.space}, {head.samples} samples: {told}."))
    if result.quarantined:
        console.print(f"{result.quarantined} files of interrupted commits lie in quarantine.")


def relocation_summary(result: Relocation) -> None:
    """Say what was moved in the index, or why nothing was."""
    console = shown_on()
    if not result.files:
        console.print(Text(f"Nothing in the index lies at or below {result.old}."))
        return
    console.print(
        Text(
            f"{result.files} files lie at or below {result.old}; {result.there} of them are at "
            f"{result.new} with the size they had, and of {result.compared} compared by SHA-256 "
            f"{result.same} are the same."
        )
    )
    if result.moved:
        console.print(Text(f"The index knows them at {result.new} from now on."))
    else:
        console.print("The index was left as it is.")
        if not result.fits:
            console.print("Nothing fits there; --force relocates all the same.")


def labelling_summary(result: Labelling) -> None:
    """Say what became of a file of labels."""
    if not result.labelled:
        shown_on().print("No line names a file of the index.")
    _labelled(result.labelled, result.unmatched, result.conflicts, result.matched_by_end)


def _labelled(
    labelled: int, unmatched: Sequence[str], conflicts: Sequence[str], by_end: Sequence[str]
) -> None:
    console = shown_on()
    if labelled:
        console.print(f"{labelled} contents labelled.")
    _list(console, "lines of labels name nothing in the index", unmatched)
    _list(console, "lines of labels contradict an earlier one about the same content", conflicts)
    _list(console, "paths of another machine were matched by how they end", by_end)


def labels_table(rows: Sequence[dict[str, str | None]]) -> None:
    """List labels by path."""
    table = _folding("path", "label", "generator", "source", "group")
    for row in rows:
        table.add_row(*(Text(value or "") for value in row.values()))
    shown_on().print(table)


def models_table(entries: Sequence[EncoderEntry]) -> None:
    """List encoders."""
    table = Table("name", "head", "preset", "licence", "on disk")
    for entry in entries:
        table.add_row(
            entry.name,
            entry.head.value,
            entry.preset or "its own",
            entry.licence,
            "yes" if entry.folder else "no",
        )
    shown_on().print(table)


def model_table(entry: EncoderEntry) -> None:
    """Show all that is known of an encoder."""
    table = Table("what", "value", show_header=False)
    for name, value in asdict(entry).items():
        table.add_row(name.replace("_", " "), Text("" if value is None else str(value)))
    shown_on().print(table)


def _label(hit: Hit) -> Text:
    parts = (hit.sample.label, hit.sample.generator, hit.sample.source)
    return Text(" ".join(part for part in parts if part))


def name_list(what: str, names: Sequence[str]) -> None:
    """List names after how many there are, the first of them if there are many."""
    _list(shown_on(), what, names)


def _list(console: Console, what: str, names: Sequence[str]) -> None:
    if not names:
        return
    console.print(f"{len(names)} {what}:")
    for name in names[:_LISTED]:
        console.print(Text(f"  {name}"))
    if len(names) > _LISTED:
        console.print(f"  and {len(names) - _LISTED} more (--json lists all)")


def _size(count: int) -> str:
    size = float(count)
    for unit in ("bytes", "KiB", "MiB", "GiB"):
        if size < 1024 or unit == "GiB":
            return f"{size:.0f} {unit}" if unit == "bytes" else f"{size:.1f} {unit}"
        size /= 1024
    raise AssertionError


def _folding(*columns: str) -> Table:
    """Return a table that breaks long cells into lines: half a path is of no use."""
    table = Table()
    for column in columns:
        table.add_column(column, overflow="fold", no_wrap=column == "verdict")
    return table


def verdict_text(verdict: str) -> Text:
    """Return a verdict in its colour."""
    return Text(verdict, style=_VERDICT_STYLES.get(verdict, "dim"))
