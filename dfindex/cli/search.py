"""`dfindex search`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from dfindex.cli.main import NOTHING_FOUND, OK
from dfindex.cli.options import as_json, encoder_options, index_option, print_json

if TYPE_CHECKING:
    from indexer.originals import Originals
    from search.results import SearchResult
    from search.video_results import VideoSearchResult


@click.command()
@click.argument("query", metavar="IMAGE|VIDEO|ID", type=click.Path())
@index_option
@click.option("-k", default=10, show_default=True, type=click.IntRange(1), help="Hits to show.")
@click.option("--space", metavar="NAME", help="Which space, where there are several.")
@click.option("--where", metavar="EXPR", help="Only samples with: label = 'fake' and width > 400.")
@click.option("--min-score", type=float, help="Drop hits of a lower score.")
@click.option("--max-fpr", type=float, help="Drop hits that this share of strangers would reach.")
@click.option("--verify/--no-verify", default=True, help="Compare the pixels of the nearest.")
@click.option("--report", type=click.Path(dir_okay=False), metavar="FILE", help="Write a page.")
@encoder_options
@as_json
def search(
    query: str,
    index: Path,
    k: int,
    space: str | None,
    where: str | None,
    min_score: float | None,
    max_fpr: float | None,
    verify: bool,
    report: str | None,
    encoder: str | None,
    device: str,
    precision: str,
    as_json: bool,
) -> int:
    """Find what resembles a picture: exact copies, verified copies, then the nearest.

    Given a video, find the videos and pictures that share parts with it, and where.
    """
    import dfindex

    options: dict[str, Any] = {
        "where": where,
        "space": space,
        "min_score": min_score,
        "verify": verify,
        "encoder": encoder,
        "device": device,
        "precision": precision,
    }
    with dfindex.open(index) as opened:
        if opened.is_video(query):
            if max_fpr is not None:
                raise click.UsageError("expected --min-score with a video, got --max-fpr")
            found = opened.search_video(query, k, **options)
            return _shown_video(found, opened.originals, report, as_json)
        result = opened.search(query, k, max_fpr=max_fpr, **options)
        return _shown(result, opened.originals, report, as_json)


def _shown(result: SearchResult, originals: Originals, report: str | None, as_json: bool) -> int:
    from dfindex.report import write_report
    from dfindex.tables import hits_table

    if report:
        write_report(Path(report), result, originals)
    if as_json:
        print_json(result.to_json())
    else:
        hits_table(result)
    return OK if result.found else NOTHING_FOUND


def _shown_video(
    result: VideoSearchResult, originals: Originals, report: str | None, as_json: bool
) -> int:
    from dfindex.video_tables import video_hits_table

    if report:
        from dfindex.video_report import write_video_report

        write_video_report(Path(report), result, originals)
    if as_json:
        print_json(result.to_json())
    else:
        video_hits_table(result)
    return OK if result.found else NOTHING_FOUND
