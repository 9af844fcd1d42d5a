"""`dfindex map`."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from dfindex.cli.options import OutputFile, as_json, echo, index_option, print_json


@click.command()
@index_option
@click.option(
    "--out",
    type=OutputFile(),
    metavar="FILE",
    help="Write a page that needs no network and no other file.",
)
@click.option("--space", metavar="NAME", help="Which space, where there are several.")
@click.option("--thumbnails", is_flag=True, help="Put small pictures into the page.")
@click.option("--progress", is_flag=True, help="Show progress also where there is no terminal.")
@as_json
def map(
    index: Path,
    out: Path | None,
    space: str | None,
    thumbnails: bool,
    progress: bool,
    as_json: bool,
) -> None:
    """Draw the corpus in two dimensions: what looks alike lies together."""
    import dfindex
    from dfindex.cli.progress import shown_steps
    from dfindex.corpus_map import corpus_map
    from dfindex.reports.map import write_map

    with dfindex.open(index) as opened, shown_steps(progress or sys.stderr.isatty()) as tell:
        if out is None:
            drawn = corpus_map(opened, space, tell)
        else:
            drawn = write_map(opened, out, space=space, thumbnails=thumbnails, progress=tell)
    if as_json:
        print_json(drawn.to_json())
    else:
        where = "" if out is None else f" in {out}"
        echo(f"{len(drawn.samples)} samples of {drawn.space} mapped{where}")
