"""Read whole database files in a process of their own, which a damaged one may end.

DuckDB checks a block when it reads it, and reads those of its indexes only when it writes: a look
therefore writes as well, to a copy. What the child prints, line by line: the generation once all
rows were read; then `sound`; or what is wrong, as JSON.
"""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from indexer import errors
from indexer.disk import described
from indexer.errors import DfindexError, IndexDamagedError, IndexFormatError, StoreError
from indexer.store.catalog import Catalog
from indexer.store.database import attach, copy_table, copy_to, translated
from indexer.store.durable import sync_file
from indexer.store.migrations import check_readable, format_version

# The child imports the package that we are, wherever it was started from.
_HOME = Path(__file__).resolve().parents[2]
_BOOTSTRAP = (
    "import sys; sys.path.insert(0, sys.argv[1]); import indexer; sys.path.pop(0); "
    "from indexer.store.database_check import main; main(sys.argv[2:])"
)
_SOUND = "sound"
_LONGEST_S = 3600.0
_DAMAGE_SIGNALS = {signal.SIGSEGV, signal.SIGBUS, signal.SIGABRT, signal.SIGFPE, signal.SIGILL}


@dataclass(frozen=True, kw_only=True)
class DatabaseState:
    """What is wrong with a database file, nothing where all of it is whole.

    ``generation`` is None where not even its rows can be read; ``foreign`` where it is no file
    of this DuckDB.
    """

    generation: int | None = None
    problem: str = ""
    foreign: bool = False


def look(file: Path) -> DatabaseState:
    """Read a whole database, and what a writer would meet in it; it is not changed.

    Raise IndexLockedError where a writer has it, StoreError where it cannot be read for another
    reason than damage, IndexFormatError where a newer dfindex wrote it.
    """
    if not file.exists():
        return DatabaseState(problem="is missing")
    try:
        said = _in_a_child("look", file)
    except IndexFormatError as error:
        if error.args[0].startswith(str(file)):
            return DatabaseState(problem=str(error), foreign=True)
        raise
    generation = next((int(line) for line in said.lines if line.isdigit()), None)
    return DatabaseState(generation=generation, problem=said.problem)


def copy_rows(source: Path, target: Path) -> None:
    """Copy all rows of a database into a new one, whose indexes are made anew."""
    said = _in_a_child("copy", source, target)
    if said.problem:
        raise IndexDamagedError(said.problem)


def copy_tables(source: Path, target: Path, tables: Sequence[str]) -> list[str]:
    """Copy those of some tables that can be read, over what the target has; return which."""
    return [name for name in tables if not _in_a_child("table", source, target, name).problem]


@dataclass(frozen=True)
class _Said:
    lines: list[str]
    problem: str = ""


def _in_a_child(*arguments: str | Path) -> _Said:
    command = [sys.executable, "-c", _BOOTSTRAP, str(_HOME), *map(str, arguments)]
    try:
        child = subprocess.run(
            command,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_LONGEST_S,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise StoreError(f"{arguments[1]} was not read in {_LONGEST_S:g} seconds") from error
    lines = child.stdout.splitlines()
    if child.returncode == 0 and lines and lines[-1] == _SOUND:
        return _Said(lines)
    if -child.returncode in _DAMAGE_SIGNALS:
        ended = signal.Signals(-child.returncode).name
        return _Said(lines, f"{arguments[1]} is damaged: DuckDB ends with {ended} over it")
    return _Said(lines, _told(lines, child, arguments[1]))


def _told(lines: Sequence[str], child: subprocess.CompletedProcess[str], file: str | Path) -> str:
    """Return the damage a child found; raise what else it met."""
    try:
        value = json.loads(lines[-1])
        kind, message = value["error"], value["message"]
    except (IndexError, ValueError, KeyError, TypeError):
        raise StoreError(
            f"{file} could not be looked at: the process that reads it ended with "
            f"{child.returncode}: {child.stderr.strip()[-300:]}"
        ) from None
    if kind == IndexDamagedError.__name__:
        return str(message)
    raise getattr(errors, kind)(message)


def main(arguments: Sequence[str]) -> None:
    """Do what a parent asks for, as the child."""
    task, file, *rest = arguments
    try:
        _TASKS[task](Path(file), *rest)
        _say(_SOUND)
    except DfindexError as error:
        _tell(type(error).__name__, str(error))
    except OSError as error:
        _tell(StoreError.__name__, described(error, file))


def _tell(kind: str, message: str) -> None:
    _say(json.dumps({"error": kind, "message": message}))


def _say(line: object) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def _look(file: Path) -> None:
    connection = attach(file, read_only=True)  # keeps writers away while it is copied
    catalog = Catalog(connection, file)
    with translated(file):
        check_readable(connection)
        if format_version(connection) == 0:
            raise IndexDamagedError(f"{file} is empty; run dfindex doctor --repair")
    for (name,) in catalog.query("SELECT table_name FROM duckdb_tables()"):
        catalog.query(f'SELECT count(*), bit_xor(hash(COLUMNS(*))) FROM "{name}"')
    _say(catalog.generation)
    with TemporaryDirectory(prefix="dfindex-doctor-") as scratch:
        copy = Path(scratch) / file.name
        for suffix in ("", ".wal"):
            if (part := file.with_name(file.name + suffix)).exists():
                shutil.copyfile(part, copy.with_name(copy.name + suffix))
        connection.close()
        _write_all(copy, file)


def _write_all(copy: Path, file: Path) -> None:
    """Touch every entry of every index as an insertion does, and let a checkpoint be made."""
    writable = Catalog(attach(copy, read_only=False), file)
    for (name,) in writable.query(
        "SELECT DISTINCT table_name FROM duckdb_constraints() WHERE constraint_type = 'PRIMARY KEY'"
    ):
        writable.query(f'INSERT INTO "{name}" SELECT * FROM "{name}" ON CONFLICT DO NOTHING')
    writable.query("UPDATE meta SET value = value")
    writable.query("FORCE CHECKPOINT catalog")
    writable.close()


def _copy(file: Path, target: str) -> None:
    connection = attach(file, read_only=True)
    with translated(file):
        copy_to(connection, Path(target))
    sync_file(Path(target))


def _table(file: Path, target: str, name: str) -> None:
    connection = attach(file, read_only=True)
    with translated(file):
        copy_table(connection, Path(target), name)
    sync_file(Path(target))


_TASKS: dict[str, Callable[..., None]] = {"look": _look, "copy": _copy, "table": _table}
