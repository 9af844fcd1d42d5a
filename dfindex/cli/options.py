"""Options and output that commands share."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import asdict, is_dataclass
from pathlib import Path
from typing import Any

import click

Command = Callable[..., Any]

as_json = click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")


def index_option(command: Command) -> Command:
    """Give a command ``--index``, also where it stands before the command, as ``index: Path``."""

    def resolve(context: click.Context, _: click.Parameter, value: str | None) -> Path:
        given = value or context.find_root().obj or os.environ.get("DFINDEX_INDEX")
        return Path(given or ".dfindex")

    return click.option(
        "--index",
        metavar="DIR",
        type=click.Path(),
        callback=resolve,
        help="The index folder; by default $DFINDEX_INDEX, else ./.dfindex.",
    )(command)


def encoder_options(command: Command) -> Command:
    """Give a command ``--encoder``, ``--device`` and ``--precision``."""
    decorators = (
        click.option(
            "--encoder",
            metavar="NAME|DIR",
            help="Which encoder: a name that dfindex models list shows, or a model's folder.",
        ),
        click.option(
            "--device",
            type=click.Choice(["auto", "cpu", "cuda", "mps", "xpu"]),
            default="auto",
            show_default=True,
            help="Where the encoder runs.",
        ),
        click.option(
            "--precision",
            type=click.Choice(["auto", "fp32", "bf16", "fp16", "int8"]),
            default="auto",
            show_default=True,
            help="What it computes in; auto takes bf16 or fp16 where the device has it natively.",
        ),
    )
    for decorator in reversed(decorators):
        command = decorator(command)
    return command


engine_option = click.option(
    "--engine",
    type=click.Choice(["auto", "torch", "openvino"]),
    default="torch",
    show_default=True,
    help="What runs the model; auto takes OpenVINO on a CPU where it is installed.",
)


def print_json(value: Any) -> None:
    """Print a value as one JSON document."""
    click.echo(json.dumps(value, default=_plain, ensure_ascii=False, indent=2, allow_nan=False))


def _plain(value: Any) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        return asdict(value)
    if isinstance(value, Path):
        return str(value)
    raise TypeError(f"{type(value).__name__} is not a JSON value")
