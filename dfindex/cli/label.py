"""`dfindex label import|set|list`."""

from __future__ import annotations

from pathlib import Path

import click

from dfindex.cli.main import NOTHING_FOUND, OK
from dfindex.cli.options import as_json, echo, index_option, print_json


@click.group()
def label() -> None:
    """Label pictures as real or fake."""


@label.command("import")
@click.argument("csv", type=click.Path(dir_okay=False, path_type=Path))
@index_option
@as_json
def import_(csv: Path, index: Path, as_json: bool) -> int:
    r"""Read labels from a CSV file: path,label[,generator][,source][,group].

    It may have commas, semicolons or tabs, and be in UTF-8 or UTF-16. Relative paths are relative
    to its folder; a Windows path such as C:\photos\a.png names the one indexed file whose path
    ends like it, by the file's name and its folder's at least.

    Exits with 1 where no line names a file of the index.
    """
    from dfindex.cli.tables.search import labelling_summary
    from dfindex.maintenance import import_labels

    result = import_labels(index, csv)
    if as_json:
        print_json(result)
    else:
        labelling_summary(result)
    return OK if result.labelled else NOTHING_FOUND


@label.command("set")
@click.argument("path")
@click.argument("value", metavar="LABEL")
@click.option("--generator", help="What made the fake.")
@click.option("--source", help="Where the picture comes from.")
@click.option("--group", help="What it must stay together with when data are split.")
@index_option
def set_(
    path: str,
    value: str,
    generator: str | None,
    source: str | None,
    group: str | None,
    index: Path,
) -> int:
    """Label one picture: its path, SHA-256 or id, then real or fake."""
    from dfindex.maintenance import set_label

    labelled = set_label(index, path, value, generator=generator, source=source, group=group)
    echo(f"labelled {labelled} picture{'' if labelled == 1 else 's'}")
    return OK if labelled else NOTHING_FOUND


@label.command("list")
@index_option
@as_json
def list_(index: Path, as_json: bool) -> None:
    """List all labels."""
    import dfindex
    from dfindex.cli.tables.search import labels_table

    with dfindex.open(index) as opened:
        rows = opened.labels()
    if as_json:
        print_json(rows)
    else:
        labels_table(rows)
