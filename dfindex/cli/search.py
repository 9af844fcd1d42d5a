"""`dfindex search`."""

from __future__ import annotations

from pathlib import Path

import click

from dfindex.cli.main import NOTHING_FOUND, OK
from dfindex.cli.options import as_json, encoder_options, index_option, print_json


@click.command()
@click.argument("query", metavar="IMAGE|ID", type=click.Path())
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
    """Find what resembles a picture: exact copies, verified copies, then the nearest."""
    import dfindex
    from dfindex.report import write_report
    from dfindex.tables import hits_table

    with dfindex.open(index) as opened:
        result = opened.search(
            query,
            k,
            where=where,
            space=space,
            min_score=min_score,
            max_fpr=max_fpr,
            verify=verify,
            encoder=encoder,
            device=device,
            precision=precision,
        )
        if report:
            write_report(Path(report), result)
    if as_json:
        print_json(result.to_json())
    else:
        hits_table(result)
    return OK if result.found else NOTHING_FOUND
