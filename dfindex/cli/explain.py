"""`dfindex explain`."""

from __future__ import annotations

from pathlib import Path

import click

from dfindex.cli.options import OutputFile, as_json, encoder_options, index_option, print_json


@click.command()
@click.argument("image", type=click.Path(path_type=Path))
@index_option
@encoder_options
@click.option("--preset", metavar="NAME", help="Preprocessing in place of the encoder's own.")
@click.option(
    "--out",
    required=True,
    metavar="FILE.png",
    type=OutputFile(),
    help="Where the overlay goes; the map itself goes to FILE.npy beside it.",
)
@click.option(
    "--method",
    default="rollout",
    show_default=True,
    metavar="rollout|grad-rollout|patch-logit|probe:NAME",
    help="How the map is made.",
)
@click.option("--block", default=-1, show_default=True, help="Look at another block's tokens.")
@as_json
def explain(
    image: Path,
    index: Path,
    encoder: str | None,
    device: str,
    precision: str,
    preset: str | None,
    out: Path,
    method: str,
    block: int,
    as_json: bool,
) -> None:
    """Show where an encoder looks in a picture."""
    from dfindex.cli.tables.detection import explanation_summary
    from dfindex.encoders import open_encoder
    from dfindex.explanation.saving import explain_to

    opened = open_encoder(encoder, device, precision, preset=preset)
    result = explain_to(out, image, opened, method=method, block=block, index=index)
    if as_json:
        print_json(result)
    else:
        explanation_summary(result)
