"""Write files so that a kill leaves the old one or the new one, and a flipped byte shows."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import secrets
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, BinaryIO, TypeVar

from indexer.disk import code_of, described, way_out
from indexer.errors import IndexDamagedError, StoreError

T = TypeVar("T")

TEMPORARY_SUFFIX = ".tmp"
_CHUNK = 1 << 20
_NAME_SHOWN = 40  # characters of a file's name that its temporary one repeats


def replace_file(path: Path, write: Callable[[BinaryIO], object]) -> None:
    """Let ``write`` fill a temporary file, then put it in ``path``'s place, both synced to disk.

    Raise StoreError where the disk is full or cannot be written; ``path`` is then as it was.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with _temporary(path) as (temporary, file):
            write(file)
            file.flush()
            os.fsync(file.fileno())
            temporary.replace(path)
        sync_folder(path.parent)
    except OSError as error:
        raise StoreError(
            f"could not write {path}: {error.strerror or error}; nothing was changed there; "
            f"{way_out(code_of(error), path)}"
        ) from error


@contextlib.contextmanager
def _temporary(path: Path) -> Iterator[tuple[Path, BinaryIO]]:
    """Open a new file beside ``path``, locked while it is written, and gone afterwards.

    Its name is its own, since several processes may write the same file at once; the lock tells
    `sweep_temporaries` that somebody does.
    """
    while True:
        name = f"{path.name[:_NAME_SHOWN]}.{secrets.token_hex(4)}{TEMPORARY_SUFFIX}"
        temporary = path.with_name(name)
        with temporary.open("xb") as file:
            try:
                if _is_mine(file, temporary):
                    yield temporary, file
                    return
            finally:
                with contextlib.suppress(OSError):
                    temporary.unlink()


def _is_mine(file: BinaryIO, path: Path) -> bool:
    """Lock a file just made; tell whether it was not swept away in between."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return True  # a file system without locks, on which no index is written
    return path.exists()


def sweep_temporaries(folder: Path) -> None:
    """Delete the half-written files below a folder that nobody writes any more."""
    for path in sorted(folder.rglob("*" + TEMPORARY_SUFFIX)):
        with contextlib.suppress(FileNotFoundError, BlockingIOError), path.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            path.unlink()


def keep_if_possible(write: Callable[[], object]) -> None:
    """Have a cache written; on a disk that takes none, what it holds is made anew each time."""
    with contextlib.suppress(StoreError):
        write()


def sync_file(path: Path) -> None:
    """Make what was written to a file survive a loss of power."""
    with path.open("rb+") as file:
        os.fsync(file.fileno())


def sync_folder(folder: Path) -> None:
    """Make a rename inside ``folder`` survive a loss of power."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def file_sha256(path: Path) -> str:
    """Return the SHA-256 of a file's bytes as 64 hex digits."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def head_sha256(path: Path, count: int) -> str:
    """Return the SHA-256 of a file's first bytes as 64 hex digits."""
    with path.open("rb") as file:
        return hashlib.sha256(file.read(count)).hexdigest()


def write_sealed_json(path: Path, value: dict[str, Any]) -> None:
    """Write ``value`` with the SHA-256 of its canonical text under the key ``seal``."""
    sealed = {**value, "seal": _seal(value)}
    replace_file(path, lambda file: file.write(json.dumps(sealed, indent=1).encode() + b"\n"))


def read_sealed_json(path: Path) -> dict[str, Any]:
    """Read what `write_sealed_json` wrote.

    Raise IndexDamagedError where it is missing or its seal is broken, StoreError where it cannot
    be read.
    """
    with unreadable(path):
        data = path.read_bytes()
    try:
        value = json.loads(data)
        seal = value.pop("seal")
    except (ValueError, KeyError, AttributeError, TypeError, RecursionError) as error:
        raise _damaged(path) from error
    if not isinstance(value, dict) or seal != _seal(value):
        raise _damaged(path)
    return dict(value)


def trusted(paths: Iterable[Path], read: Callable[[Path], T]) -> list[T]:
    """Return what can be read of a cache's files: one that cannot be trusted is no cache."""
    found = []
    for path in paths:
        with contextlib.suppress(StoreError):
            found.append(read(path))
    return found


def is_there(path: Path) -> bool:
    """Tell whether something is at a path; raise OSError where that cannot be told.

    `Path.exists` takes a folder that may not be looked into for one that holds nothing.
    """
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    return True


@contextlib.contextmanager
def unreadable(path: Path) -> Iterator[None]:
    """Turn errors in reading a file of the index into dfindex's.

    Only a missing file is damage (IndexDamagedError): one that may not be read, or a disk that
    fails, says nothing about what was written (StoreError).
    """
    try:
        yield
    except FileNotFoundError as error:
        raise IndexDamagedError(
            f"{path} is missing; run dfindex doctor --repair, then dfindex build to embed again "
            "what was lost"
        ) from error
    except OSError as error:
        raise StoreError(described(error, path)) from error


def _seal(value: dict[str, Any]) -> str:
    text = json.dumps(value, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def _damaged(path: Path) -> IndexDamagedError:
    return IndexDamagedError(
        f"{path} does not match its checksum: the file was damaged or edited; "
        "run dfindex doctor --repair"
    )
