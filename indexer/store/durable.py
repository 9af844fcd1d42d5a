"""Write files so that a kill leaves the old one or the new one, and a flipped byte shows."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

from indexer.disk import code_of, way_out
from indexer.errors import IndexDamagedError, StoreError

TEMPORARY_SUFFIX = ".tmp"
_CHUNK = 1 << 20


def replace_file(path: Path, write: Callable[[BinaryIO], object]) -> None:
    """Let ``write`` fill a temporary file, then put it in ``path``'s place, both synced to disk.

    Raise StoreError where the disk is full or cannot be written; ``path`` is then as it was.
    """
    temporary = path.with_name(path.name + TEMPORARY_SUFFIX)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with temporary.open("wb") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
        sync_folder(path.parent)
    except BaseException as error:
        with contextlib.suppress(OSError):
            temporary.unlink()
        if isinstance(error, OSError):
            raise StoreError(
                f"could not write {path}: {error.strerror or error}; nothing was changed there; "
                f"{way_out(code_of(error), path)}"
            ) from error
        raise


def keep_if_possible(write: Callable[[], object]) -> None:
    """Have a cache written; on a disk that takes none, what it holds is made anew each time."""
    with contextlib.suppress(StoreError):
        write()


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


def write_sealed_json(path: Path, value: dict[str, Any]) -> None:
    """Write ``value`` with the SHA-256 of its canonical text under the key ``seal``."""
    sealed = {**value, "seal": _seal(value)}
    replace_file(path, lambda file: file.write(json.dumps(sealed, indent=1).encode() + b"\n"))


def read_sealed_json(path: Path) -> dict[str, Any]:
    """Read what `write_sealed_json` wrote; raise IndexDamagedError where the seal is broken."""
    try:
        value = json.loads(path.read_bytes())
        seal = value.pop("seal")
    except FileNotFoundError as error:
        raise IndexDamagedError(f"{path} is missing; run dfindex doctor --repair") from error
    except (ValueError, KeyError, AttributeError, OSError) as error:
        raise _damaged(path) from error
    if seal != _seal(value):
        raise _damaged(path)
    return dict(value)


def _seal(value: dict[str, Any]) -> str:
    text = json.dumps(value, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def _damaged(path: Path) -> IndexDamagedError:
    return IndexDamagedError(
        f"{path} does not match its checksum: the file was damaged or edited; "
        "run dfindex doctor --repair"
    )
