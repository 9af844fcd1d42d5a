"""`dfindex export parquet|vectors`."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from dfindex.cli.options import OutputFile, as_json, echo, index_option, print_json

file_argument = click.argument("file", type=OutputFile())
space_option = click.option("--space", metavar="NAME", help="Which space, where there are several.")


@click.group()
def export() -> None:
    """Write the index for other tools."""


@export.command()
@file_argument
@index_option
@space_option
@click.option("--map/--no-map", "with_map", default=True, help="Coordinates and neighbours too.")
@as_json
def parquet(file: Path, index: Path, space: str | None, with_map: bool, as_json: bool) -> None:
    """Write a table of samples, vectors, neighbours and coordinates.

    embedding-atlas FILE --x x --y y --neighbors neighbors --text filepath shows it.
    """
    import dfindex
    from dfindex.cli.progress import shown_steps
    from dfindex.export import export_parquet

    with dfindex.open(index) as opened, shown_steps(sys.stderr.isatty()) as tell:
        done = export_parquet(opened, file, space=space, projection=with_map, progress=tell)
    if as_json:
        print_json(done)
    else:
        echo(f"{done.samples} samples of {done.space} written to {done.path}")


@export.command()
@file_argument
@index_option
@space_option
@as_json
def vectors(file: Path, index: Path, space: str | None, as_json: bool) -> None:
    """Write the unit vectors as a .npy array, and their samples as FILE.csv."""
    import dfindex
    from dfindex.export import export_vectors

    with dfindex.open(index) as opened:
        done = export_vectors(opened, file, space=space)
    if as_json:
        print_json(done)
    else:
        echo(f"{done.samples} vectors of {done.dim} numbers written to {done.path}")
