"""`dfindex status` and `dfindex failures`."""

from __future__ import annotations

from pathlib import Path

import click

from dfindex.cli.options import as_json, index_option, print_json


@click.command()
@index_option
@as_json
def status(index: Path, as_json: bool) -> None:
    """Say what the index holds, and how complete it is."""
    import dfindex
    from dfindex.cli.tables.search import status_table

    with dfindex.open(index) as opened:
        value = opened.status()
    if as_json:
        print_json(value)
    else:
        status_table(value)


@click.command()
@index_option
@as_json
def failures(index: Path, as_json: bool) -> None:
    """List every file that could not be indexed, with the reason."""
    import dfindex
    from dfindex.cli.tables.search import failures_table

    with dfindex.open(index) as opened:
        rows = opened.failures()
    if as_json:
        print_json(rows)
    else:
        failures_table(rows)
