"""The command group, the global options, and what each kind of error exits with."""

from __future__ import annotations

import importlib
import os
import sys
import traceback
from pathlib import Path
from typing import Any

import click

from dfindex import __version__
from dfindex.cli.streams import OutputError, standard_streams

INDEX = "dfindex.index"  # where a command's context says which folder it works in
OK, NOTHING_FOUND, USAGE, ERROR, SOME_FAILED, INTERRUPTED = 0, 1, 2, 3, 4, 130

COMMANDS = {
    "build": "build",
    "status": "inspect",
    "failures": "inspect",
    "search": "search",
    "compare": "compare",
    "duplicates": "duplicates",
    "decide": "duplicates",
    "remove": "maintain",
    "compact": "maintain",
    "relocate": "maintain",
    "doctor": "maintain",
    "label": "label",
    "detect": "detect",
    "explain": "explain",
    "models": "models",
    "map": "map",
    "serve": "serve",
    "export": "export",
    "probe": "probe",
    "bench": "bench",
}


class Commands(click.Group):
    """Commands in the order people meet them, each imported when it is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of all commands."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the module of a command and return it."""
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(f"dfindex.cli.{COMMANDS[cmd_name]}")
        command: click.Command = getattr(module, cmd_name)
        return command

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command; keep click from taking errors of files for an interruption."""
        try:
            return super().invoke(ctx)
        except (OSError, EOFError) as error:
            raise _FileTrouble(ctx.find_root().meta.get(INDEX)) from error

    def main(self, *args: Any, **kwargs: Any) -> Any:
        """Run a command; turn every error into one line and an exit code."""
        with standard_streams():
            sys.exit(self._code(*args, **kwargs))

    def _code(self, *args: Any, **kwargs: Any) -> int:
        try:
            code = super().main(*args, **{**kwargs, "standalone_mode": False})
            sys.stdout.flush()
        except click.exceptions.Abort:
            _say("interrupted; the index holds all that was committed")
            return INTERRUPTED
        except click.ClickException as error:
            error.show(sys.stderr)
            return USAGE
        except Exception as error:
            return _explained(error)
        return code if isinstance(code, int) else OK


class _FileTrouble(Exception):
    """An OSError or EOFError is the cause, met by a command that works in the index ``folder``."""

    def __init__(self, folder: Path | None) -> None:
        super().__init__()
        self.folder = folder


def _explained(error: Exception) -> int:
    """Say in one line what went wrong and return the exit code."""
    from indexer.errors import UsageError

    folder = None
    if isinstance(error, _FileTrouble) and isinstance(error.__cause__, Exception):
        folder, error = error.folder, error.__cause__
    _say(_words(error, folder))
    if os.environ.get("DFINDEX_DEBUG"):
        traceback.print_exception(error)
    return USAGE if isinstance(error, UsageError) else ERROR


def _words(error: Exception, folder: Path | None) -> str:
    from dfindex.extras import missing
    from indexer.disk import described
    from indexer.errors import DfindexError

    match error:
        case ModuleNotFoundError() if words := missing(error):
            return words
        case DfindexError():
            return str(error)
        case OutputError():
            return f"could not write the output: {error}; give it a place that takes it"
        case OSError() if error.errno is not None:
            return described(error, folder)
        case MemoryError():
            return "there is not enough memory; free some, or use a machine with more"
    return (
        f"met something unforeseen, {type(error).__name__}: {error}; please report it with what "
        "DFINDEX_DEBUG=1 prints"
    )


def _say(message: str) -> None:
    from dfindex.cli.tables.console import visible

    line = visible(" ".join(message.split()))
    click.echo(f"dfindex: {line}", file=sys.stderr)


@click.command(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--index",
    metavar="DIR",
    type=click.Path(),
    help="The index folder; by default $DFINDEX_INDEX, else ./.dfindex.",
)
@click.version_option(__version__, prog_name="dfindex")
@click.pass_context
def main(context: click.Context, index: str | None) -> None:
    """Find near-duplicate and manipulated media, offline.

    dfindex build ./corpus makes an index of a folder of pictures; dfindex search picture.jpg
    finds what resembles a picture. Files in the corpus are never written to.
    """
    context.obj = index
