"""`dfindex compare`."""

from __future__ import annotations

from pathlib import Path

import click

from dfindex.cli.main import NOTHING_FOUND, OK
from dfindex.cli.options import as_json, print_json


@click.command()
@click.argument("a", type=click.Path(path_type=Path))
@click.argument("b", type=click.Path(path_type=Path))
@click.option("--out", type=click.Path(path_type=Path), metavar="PNG", help="Draw what was found.")
@as_json
def compare(a: Path, b: Path, out: Path | None, as_json: bool) -> int:
    """Say whether B is a copy of A, and what was changed."""
    from dfindex.comparison import compare as run

    result = run(a, b, out=out)
    if as_json:
        value = result.to_json()
        print_json(value)
    else:
        click.echo(f"{result.verdict.value}: {result.description}")
    return OK if result.found else NOTHING_FOUND
