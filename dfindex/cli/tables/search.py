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
from dfindex.cli.tables.console import shown_on
from dfindex.places import page_of, place_of
from search.verdict import Tone, tone_of
from search.videos.description import clock
from search.videos.results import VideoHit, VideoQuery

if TYPE_CHECKING:
    from dfindex.status import Status
    from indexer.build import BuildReport
    from indexer.encoders.published import EncoderEntry
    from indexer.store.catalog.catalog import Failure
    from indexer.store.catalog.labelling import Labelling
    from indexer.types import Sample
    from search.results import AnyResult, Hit

_LISTED = 20
_ROOTS = 5  # folders of the corpus that are named
STYLES = {Tone.FOUND: "green", Tone.ALTERED: "bold yellow", Tone.NEAR: "cyan", Tone.NONE: "dim"}


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
        name_list("indexed files have vanished", report.missing)
        console.print("They stay in the index; dfindex build --prune forgets them.")


def status_table(status: Status) -> None:
    """Show an index in figures."""
    console = shown_on()
    media = status.media
    console.print(
        f"Index {status.index}, generation {status.generation}, {size_text(status.bytes)}"
    )
    console.print(
        f"Files: {media.seen} seen = {media.indexed} indexed + {media.failed} failed; "
        f"{media.missing} vanished since, {media.removed} removed."
    )
    _corpus(console, status)
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


def _corpus(console: Console, status: Status) -> None:
    """Say where the files of an index are, and whether they are what they were."""
    if status.roots:
        console.print(Text(f"Corpus: {', '.join(status.roots[:_ROOTS])}"), soft_wrap=True)
    files = status.files
    if files is None:
        return
    console.print(
        f"There now: {files.present} as they were, {files.changed} changed, {files.gone} gone; "
        f"{files.links} are links to others."
    )
    if files.gone:
        console.print("dfindex relocate OLD NEW tells the index where a folder is by now.")
    if files.unverified:
        console.print(
            f"{files.unverified} have another time and the size they had; "
            "dfindex doctor reads them."
        )


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


def hits_table(result: AnyResult) -> None:
    """Show the hits of a search under what they speak for; of a video, what was found where."""
    console = shown_on()
    done, query = result.completeness, result.query
    film = isinstance(query, VideoQuery)
    frames = f", with {query.frames} frames of {clock(query.duration_s)}" if film else ""
    console.print(
        f"Searched {done.indexed} indexed of {done.seen} files ({done.failed} failed), "
        f"space {result.index.space}{frames}, in {result.timing_ms.total:.0f} ms."
    )
    say_unavailable(result)
    if not result.hits:
        console.print("Nothing reaches the threshold.")
        return
    more = ("what was found",) if film else ("size", "label")
    table = _folding("", "score", "verdict", "path", *more)
    for hit in result.hits:
        table.add_row(
            str(hit.rank),
            f"{hit.score:.4f}",
            verdict_text(hit.verdict.value),
            path_text(hit.sample, place=page_of if film else place_of),
            *_more(hit),
        )
    console.print(table)
    if not result.found:
        console.print("No copy was found: these are only the nearest.")


def _more(hit: Hit) -> tuple[str | Text, ...]:
    if isinstance(hit, VideoHit):
        return (Text(hit.video.description),)
    return f"{hit.sample.width}x{hit.sample.height}", _label(hit)


def say_unavailable(result: AnyResult) -> None:
    """Say which files could not be opened."""
    for words in (availability.of_query(result.query), availability.of_all(result.unavailable)):
        if words:
            shown_on().print(words, style="yellow")


def path_text(sample: Sample, style: str = "", *, place: Callable[[Sample], str] = page_of) -> Text:
    """Return a sample's path and place, with a word where its file could not be opened."""
    text, words = Text(sample.path + place(sample), style), availability.of_sample(sample)
    return text.append(f"\n{words}", "yellow") if words else text


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
    name_list("lines of labels name nothing in the index", unmatched)
    name_list("lines of labels contradict an earlier one about the same content", conflicts)
    name_list("paths of another machine were matched by how they end", by_end)


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
    if not names:
        return
    console = shown_on()
    console.print(f"{len(names)} {what}:")
    for name in names[:_LISTED]:
        console.print(Text(f"  {name}"))
    if len(names) > _LISTED:
        console.print(f"  and {len(names) - _LISTED} more (--json lists all)")


def size_text(count: int) -> str:
    """Return a number of bytes for people."""
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
    return Text(verdict, style=STYLES[tone_of(verdict)])
