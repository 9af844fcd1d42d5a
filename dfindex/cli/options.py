"""Options and output that commands share."""

from __future__ import annotations

import json
import math
import os
import sys
from collections.abc import Callable, Iterable
from dataclasses import Field, asdict, is_dataclass
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import Any

import click

from dfindex.cli.main import INDEX
from search.options import OPTIONS

Command = Callable[..., Any]

as_json = click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")


def choice(names: type[StrEnum]) -> click.Choice[str]:
    """Return what can be chosen by name."""
    return click.Choice([one.value for one in names])


def index_option(command: Command) -> Command:
    """Give a command ``--index``, also where it stands before the command, as ``index: Path``."""

    def resolve(context: click.Context, _: click.Parameter, value: str | None) -> Path:
        given = value or context.find_root().obj or os.environ.get("DFINDEX_INDEX")
        context.find_root().meta[INDEX] = path = Path(given or ".dfindex")
        return path

    return click.option(
        "--index",
        metavar="DIR",
        type=click.Path(),
        callback=resolve,
        help="The index folder; by default $DFINDEX_INDEX, else ./.dfindex.",
    )(command)


def search_options(command: Command) -> Command:
    """Give a command every option of `search.options.SearchOptions`."""
    for option in reversed(OPTIONS):
        command = _search_option(option)(command)
    return command


def _search_option(option: Field[Any]) -> Callable[[Command], Command]:
    name, told = option.name.replace("_", "-"), option.metadata
    words, metavar = told["help"], told["metavar"] or None
    if isinstance(option.default, bool):
        return click.option(f"--{name}/--no-{name}", default=option.default, help=words)
    if isinstance(option.default, int):
        least = click.IntRange(min=told["limits"]["ge"])
        default = option.default
        return click.option(f"-{name}", type=least, default=default, show_default=True, help=words)
    kind = float if told["limits"] else str
    return click.option(f"--{name}", type=kind, metavar=metavar, help=words)


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


class OutputFile(click.Path):
    """A file to be written, whose place is looked at before the work begins."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Path:
        """Return the path; raise StoreError where nothing can be written there."""
        from dfindex.outputs import check_output

        return check_output(Path(os.fsdecode(super().convert(value, param, ctx))))


report_option = click.option("--report", type=OutputFile(), metavar="FILE", help="Write a page.")

frames_folder_flag = click.option(
    "--frames-folder", is_flag=True, help="A folder is one video, its pictures are the frames."
)


def print_json(value: Any) -> None:
    """Print a value as one JSON document, which is UTF-8 wherever it is printed."""
    echo(json_text(value))


def print_json_list(values: Iterable[Any]) -> None:
    """Print values as one JSON list, each as soon as it is there."""
    started = False
    try:
        for value in values:
            echo(f"{',' if started else '['}\n{json_text(value)}")
            started = True
    finally:
        if started:
            echo("]")


def json_text(value: Any, indent: int | None = 2) -> str:
    """Return a value as strict JSON, in escapes where standard output does not take UTF-8."""
    strict = partial(json.dumps, plain(value), indent=indent, allow_nan=False)
    document = strict(ensure_ascii=False)
    try:
        document.encode()  # bytes of names that are no UTF-8 are lone surrogates
    except UnicodeEncodeError:
        return strict()
    return document if sys.stdout.encoding.lower().startswith("utf") else strict()


def echo(text: str) -> None:
    """Print a line on standard output as it is now; click would choose an encoding of its own."""
    click.echo(text, file=sys.stdout)


def plain(value: Any) -> Any:
    """Return a value as JSON has it: dataclasses as objects, null for what is no number."""
    match value:
        case float() if not math.isfinite(value):
            return None
        case dict():
            return {name: plain(one) for name, one in value.items()}
        case list() | tuple():
            return [plain(one) for one in value]
        case Path():
            return str(value)
    return plain(asdict(value)) if is_dataclass(value) and not isinstance(value, type) else value
