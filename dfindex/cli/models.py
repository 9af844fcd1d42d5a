"""`dfindex models list|show`."""

from __future__ import annotations

import click

from dfindex.cli.options import as_json, print_json


@click.group()
def models() -> None:
    """Show the encoders dfindex knows."""


@models.command("list")
@as_json
def list_(as_json: bool) -> None:
    """List all encoders, and which of them are on disk."""
    from dfindex.tables import models_table
    from indexer.encoders.registry import available

    entries = available()
    if as_json:
        print_json(entries)
    else:
        models_table(entries)


@models.command()
@click.argument("name")
@as_json
def show(name: str, as_json: bool) -> None:
    """Show one encoder: licence, revision, checksum, preprocessing, what is known of its head."""
    from dfindex.tables import model_table
    from indexer.encoders.registry import show as entry_of

    entry = entry_of(name)
    if as_json:
        print_json(entry)
    else:
        model_table(entry)
