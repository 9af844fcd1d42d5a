"""`dfindex models list|show|fetch|verify`."""

from __future__ import annotations

from pathlib import Path

import click

from dfindex.cli.main import ERROR, OK
from dfindex.cli.options import as_json, print_json


@click.group()
def models() -> None:
    """Show, fetch and verify the encoders dfindex knows."""


@models.command("list")
@as_json
def list_(as_json: bool) -> None:
    """List all encoders, and which of them are on disk."""
    from dfindex.cli.tables.search import models_table
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
    from dfindex.cli.tables.search import model_table
    from indexer.encoders.registry import show as entry_of

    entry = entry_of(name)
    if as_json:
        print_json(entry)
    else:
        model_table(entry)


@models.command()
@click.argument("name")
@click.option(
    "--from",
    "from_folder",
    metavar="DIR",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Copy from this folder, where there is no network.",
)
@click.option("--revision", help="A commit, for encoders that none is known of.")
@as_json
def fetch(name: str, from_folder: Path | None, revision: str | None, as_json: bool) -> None:
    """Bring a published encoder onto this machine and check it; offline from then on."""
    from dfindex.cli.tables.detection import fetched_summary
    from indexer.encoders.fetch import fetch as run
    from indexer.encoders.registry import show as entry_of

    result = run(entry_of(name), from_folder=from_folder, revision=revision)
    if as_json:
        print_json(result)
    else:
        fetched_summary(result)


@models.command()
@click.argument("name", metavar="NAME|DIR")
@click.option(
    "--golden",
    metavar="DIR",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="The authors' test pictures, whose scores are known.",
)
@as_json
def verify(name: str, golden: Path | None, as_json: bool) -> int:
    """Prove an encoder's weights: hash, tensors, head, both layouts, the authors' own scores."""
    from dfindex.cli.tables.detection import verification_table
    from indexer.encoders.registry import verified

    result = verified(name, golden=golden)
    if as_json:
        print_json(result)
    else:
        verification_table(result)
    return OK if result.holds else ERROR
