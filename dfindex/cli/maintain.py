"""`dfindex remove`, `dfindex compact` and `dfindex doctor`."""

from __future__ import annotations

from pathlib import Path

import click

from dfindex.cli.main import ERROR, NOTHING_FOUND, OK
from dfindex.cli.options import as_json, index_option, print_json


@click.command()
@click.argument("names", nargs=-1, required=True, metavar="PATH|SHA256|ID...")
@index_option
@as_json
def remove(names: tuple[str, ...], index: Path, as_json: bool) -> int:
    """Delete files from the index; the files themselves are not touched.

    A folder's name removes all below it. What is still in the corpus comes back with the next
    build over it. dfindex compact gives the disk space back.
    """
    from dfindex.maintenance import remove as run
    from dfindex.tables import removal_summary

    result = run(index, names)
    if as_json:
        print_json(result)
    else:
        removal_summary(result)
    return OK if result.removed else NOTHING_FOUND


@click.command()
@index_option
@as_json
def compact(index: Path, as_json: bool) -> None:
    """Give back the space of what was removed, and join small segments."""
    from dfindex.maintenance import compact as run
    from dfindex.tables import compaction_summary

    result = run(index)
    if as_json:
        print_json(result)
    else:
        compaction_summary(result)


@click.command()
@index_option
@click.option("--repair", is_flag=True, help="Mend what can be mended.")
@as_json
def doctor(index: Path, repair: bool, as_json: bool) -> int:
    """Check every file of the index against its checksums."""
    from dfindex.maintenance import doctor as run
    from dfindex.tables import examination_table

    result = run(index, repair=repair)
    if as_json:
        print_json(result)
    else:
        examination_table(result)
    return OK if result.healthy or repair else ERROR
