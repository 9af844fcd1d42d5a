"""`dfindex search`."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from dfindex.cli.main import NOTHING_FOUND, OK
from dfindex.cli.options import (
    as_json,
    echo,
    encoder_options,
    frames_folder_flag,
    index_option,
    print_json,
    print_json_list,
    report_option,
    search_options,
)
from dfindex.cli.streams import nobody_reads, until_nobody_reads

if TYPE_CHECKING:
    from dfindex.folder_search import Unanswered
    from search.results import AnyResult


@click.command()
@click.argument("query", metavar="IMAGE|VIDEO|ID|FOLDER", type=click.Path())
@index_option
@search_options
@report_option
@frames_folder_flag
@click.option("--all", "everything", is_flag=True, help="List what is only near, too.")
@encoder_options
@as_json
def search(
    query: str,
    index: Path,
    report: Path | None,
    frames_folder: bool,
    everything: bool,
    as_json: bool,
    **how: Any,
) -> int:
    """Find what a picture is a copy of, and what was changed in it.

    What is only near is counted, and listed with --all. Given a video, find the videos and
    pictures that share parts with it, and where. Given a folder, answer for every file in it, one
    after the other; those that cannot be read are listed.

    Exits with 0 where a copy was found (exact, copy, altered_copy), else with 1; with --min-score
    or --max-fpr with 0 where any hit was let through.
    """
    import dfindex
    from dfindex.cli.tables.findings import answer
    from dfindex.cli.tables.search import hits_table
    from dfindex.folder_search import answers
    from dfindex.reports.search import write_report

    limited = how["min_score"] is not None or how["max_fpr"] is not None
    with dfindex.open(index) as opened:
        if os.path.isdir(query) and not frames_folder:  # noqa: PTH112 (a name may be too long)
            if report is not None or everything:
                option = "--all" if everything else "--report"
                raise click.UsageError(f"expected one picture or video with {option}, got a folder")
            return _shown_each(answers(opened, query, **how), query, limited, as_json)
        result = opened.search(query, **how)
        if report:
            write_report(report, result, opened.originals)
        if as_json:
            print_json(result.to_json())
        elif everything or limited:
            hits_table(result)
        else:
            answer(result, opened.catalog.roots(), verified=how["verify"], where=how["where"] or "")
        return OK if result.found or (limited and result.hits) else NOTHING_FOUND


def _shown_each(
    found: Iterator[AnyResult | Unanswered], folder: str, limited: bool, as_json: bool
) -> int:
    from dfindex.cli.tables.answers import Tally, shown_one_by_one
    from indexer.errors import DfindexError

    tally = Tally()
    counted = tally.counted(until_nobody_reads(found))
    if as_json:
        print_json_list(one.to_json() for one in counted)
    else:
        for _ in shown_one_by_one(counted):
            pass
        echo(f"{tally}.")
    unread = tally.unread.total()
    if unread == tally.files and not nobody_reads():
        raise DfindexError(f"expected pictures or videos in {folder}, found none: {tally}")
    if unread:
        click.echo(f"dfindex: {tally}", file=sys.stderr)
    return OK if tally.copies or (limited and tally.hits) else NOTHING_FOUND
