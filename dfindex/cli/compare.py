"""`dfindex compare`."""

from __future__ import annotations

from pathlib import Path

import click

from dfindex.cli.main import NOTHING_FOUND, OK
from dfindex.cli.options import OutputFile, as_json, echo, frames_folder_flag, print_json


@click.command()
@click.argument("a", type=click.Path(path_type=Path))
@click.argument("b", type=click.Path(path_type=Path))
@click.option("--out", type=OutputFile(), metavar="PNG", help="Draw what was found.")
@frames_folder_flag
@as_json
def compare(a: Path, b: Path, out: Path | None, frames_folder: bool, as_json: bool) -> int:
    """Say whether B is a copy of A, and what was changed.

    Of two videos, say which parts they share; one of both may be a picture.

    Exits with 0 where one is a copy of the other (exact, copy, altered_copy), else with 1.
    """
    from dfindex.compare import compare as compare_two
    from dfindex.outputs import check_apart

    check_apart(out, (a, b))
    for one in (a, b):
        if one.is_dir() and not frames_folder:
            raise click.UsageError(
                f"expected two files, got the folder {one}; with --frames-folder its pictures are "
                "the frames of a video"
            )
    result = compare_two(a, b, out=out)
    if as_json:
        print_json(result.to_json())
    else:
        echo(f"{result.verdict.value}: {result.description}")
    return OK if result.found else NOTHING_FOUND
