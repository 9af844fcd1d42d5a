"""The command group, the global options, and what each kind of error exits with."""

from __future__ import annotations

import importlib
import sys
from typing import Any

import click

from dfindex import __version__

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

    def main(self, *args: Any, **kwargs: Any) -> Any:
        """Run a command; turn dfindex's errors into one line and an exit code."""
        try:
            code = super().main(*args, **{**kwargs, "standalone_mode": False})
        except click.exceptions.Abort:
            _say("interrupted; the index holds all that was committed")
            sys.exit(INTERRUPTED)
        except click.ClickException as error:
            error.show()
            sys.exit(USAGE)
        except BrokenPipeError:
            sys.stderr.close()  # the reader of our output has gone; there is no one to tell
            sys.exit(OK)
        except Exception as error:
            sys.exit(_explained(error))
        sys.exit(code if isinstance(code, int) else OK)


def _explained(error: Exception) -> int:
    """Say in one line what went wrong and return the exit code; raise what is not ours."""
    from indexer.errors import DfindexError, UsageError

    if not isinstance(error, DfindexError):
        raise error
    _say(str(error))
    return USAGE if isinstance(error, UsageError) else ERROR


def _say(message: str) -> None:
    click.echo(f"dfindex: {' '.join(message.split())}", err=True)


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
