"""Read whole database files in a process of their own, which a damaged one may end.

DuckDB checks a block when it reads it, and reads those of its indexes only when it writes: a look
therefore reads all rows through DuckDB, and all blocks by itself. What the child says is JSON, line
by line: a number is the generation of a file of which all rows were read, an object ends the work
on it.
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import chain, repeat
from pathlib import Path

import numpy as np

from indexer import errors
from indexer.disk import described
from indexer.errors import DfindexError, IndexDamagedError, IndexFormatError, StoreError
from indexer.store.catalog.catalog import Catalog
from indexer.store.catalog.database import attach, copy_table, copy_to, translated
from indexer.store.catalog.migrations import check_readable, format_version
from indexer.store.durable import is_there, sync_file

# The child imports the package that we are, wherever it was started from.
_HOME = Path(__file__).resolve().parents[3]
_BOOTSTRAP = (
    "import sys; sys.path.insert(0, sys.argv[1]); import indexer; sys.path.pop(0); "
    "from indexer.store.maintenance.database_check import main; main(sys.argv[2:])"
)
_LONGEST_S = 3600.0
_HEADER, _BLOCK = 4096, 262144  # bytes
_FACTOR, _START = 0xBF58476D1CE4E5B9, 5381  # of DuckDB's checksums
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
    """Read a whole database, its indexes and log included; it is not changed.

    Raise IndexLockedError where a writer has it, StoreError where it cannot be read for another
    reason than damage, IndexFormatError where a newer dfindex wrote it.
    """
    return look_at([file])[0]()


def look_at(files: Sequence[Path]) -> list[Callable[[], DatabaseState]]:
    """Look at several databases, in one process unless that ends; return what tells of each."""
    there = [file for file in files if is_there(file)]
    said: dict[Path, _Said] = {}
    while rest := [file for file in there if file not in said]:
        said |= zip(rest, _in_a_child("look", *rest), strict=False)
    return [partial(_state, file, said.get(file)) for file in files]


def copy_rows(source: Path, target: Path) -> None:
    """Copy all rows of a database into a new one, whose indexes are made anew."""
    if problem := _in_a_child("copy", source, target)[0].problem():
        raise IndexDamagedError(problem)


def copy_tables(source: Path, target: Path, tables: Sequence[str]) -> list[str]:
    """Copy those of some tables that can be read into the same, empty, ones; return which."""
    return [name for name in tables if not _in_a_child("table", source, target, name)[0].problem()]


@dataclass(frozen=True)
class _Said:
    """What a child said of one file: the generation, and how it ended."""

    generation: int | None
    end: dict[str, str]

    def problem(self) -> str:
        """Return the damage that was found; raise what else was met."""
        kind, message = self.end.get("error"), self.end.get("message", "")
        if kind in (None, IndexDamagedError.__name__):
            return message
        raise getattr(errors, str(kind))(message)


def _state(file: Path, said: _Said | None) -> DatabaseState:
    if said is None:
        return DatabaseState(problem="is missing")
    try:
        return DatabaseState(generation=said.generation, problem=said.problem())
    except IndexFormatError as error:
        if error.args[0].startswith(str(file)):
            return DatabaseState(problem=str(error), foreign=True)
        raise


def _in_a_child(task: str, *arguments: str | Path) -> list[_Said]:
    """Return what a child said of one file after the other; of the last one, how it ended."""
    command = [sys.executable, "-c", _BOOTSTRAP, str(_HOME), task, *map(str, arguments)]
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
        raise StoreError(f"{arguments[0]} was not read in {_LONGEST_S:g} seconds") from error
    said: list[_Said] = []
    generation = None
    for line in map(json.loads, child.stdout.splitlines()):
        if isinstance(line, int):
            generation = line
        else:
            said.append(_Said(generation, line))
            generation = None
    if child.returncode:
        said.append(_Said(generation, _ended(child, arguments[len(said)])))
    return said


def _ended(child: subprocess.CompletedProcess[str], file: str | Path) -> dict[str, str]:
    """Return what it means that a child ended before it had said all."""
    if -child.returncode in _DAMAGE_SIGNALS:
        name = signal.Signals(-child.returncode).name
        return {
            "error": IndexDamagedError.__name__,
            "message": f"{file} is damaged: DuckDB ends with {name} over it",
        }
    return {
        "error": StoreError.__name__,
        "message": f"{file} could not be looked at: the process that reads it ended with "
        f"{child.returncode}: {child.stderr.strip()[-300:]}",
    }


def main(arguments: Sequence[str]) -> None:
    """Do what a parent asks for, as the child: one task, or a look at each of some files."""
    task, *rest = arguments
    if task == "look":
        for file in rest:
            _try(_look, Path(file))
    else:
        file, target, *more = rest
        _try(_TASKS[task], Path(file), Path(target), *more)


def _try(task: Callable[..., None], file: Path, *more: object) -> None:
    end: dict[str, str] = {}
    try:
        task(file, *more)
    except DfindexError as error:
        end = {"error": type(error).__name__, "message": str(error)}
    except OSError as error:
        end = {"error": StoreError.__name__, "message": described(error, file)}
    _say(end)


def _say(value: object) -> None:
    sys.stdout.write(f"{json.dumps(value)}\n")
    sys.stdout.flush()


def _look(file: Path) -> None:
    connection = attach(file, read_only=True)  # which keeps writers away
    catalog = Catalog(connection, file)
    with translated(file):
        check_readable(connection)
        if format_version(connection) == 0:
            raise IndexDamagedError(f"{file} is empty; run dfindex doctor --repair")
    for (name,) in catalog.query("SELECT table_name FROM duckdb_tables()"):
        catalog.query(f'SELECT count(*), bit_xor(hash(COLUMNS(*))) FROM "{name}"')
    _say(catalog.generation)
    _check_blocks(file)
    connection.close()


def _check_blocks(file: Path) -> None:
    """Raise IndexDamagedError where a block is not what was written, also one of no use by now.

    A file is three headers and blocks, each beginning with the checksum of the rest of it.
    """
    with file.open("rb") as opened:
        sizes = chain([_HEADER] * 3, repeat(_BLOCK))
        for place, block in enumerate(iter(lambda: opened.read(next(sizes)), b"")):
            if not _is_whole(block):
                if place == 0:
                    return  # DuckDB, which opened it, has another way with checksums by now
                raise IndexDamagedError(
                    f"{file} is damaged: the block before byte {opened.tell()} does not match its "
                    "checksum; run dfindex doctor --repair"
                )


def _is_whole(block: bytes) -> bool:
    if len(block) not in (_HEADER, _BLOCK):
        return False  # the file was cut
    numbers = np.frombuffer(block, dtype="<u8")
    mixed = np.bitwise_xor.reduce(numbers[1:] * np.uint64(_FACTOR)) ^ np.uint64(_START)
    return bool(mixed == numbers[0]) or not numbers.any()  # a block that was never written


def _copy(file: Path, target: Path) -> None:
    connection = attach(file, read_only=True)
    with translated(file):
        copy_to(connection, target)
    sync_file(target)


def _table(file: Path, target: Path, name: str) -> None:
    connection = attach(file, read_only=True)
    with translated(file):
        copy_table(connection, target, name)
    sync_file(target)


_TASKS: dict[str, Callable[..., None]] = {"copy": _copy, "table": _table}
