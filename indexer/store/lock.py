"""One writer at a time: a lock file that names its holder and frees itself when the holder dies."""

from __future__ import annotations

import fcntl
import json
import os
import socket
import time
from pathlib import Path
from typing import IO, Any

from indexer.closing import Closing
from indexer.disk import described
from indexer.errors import IndexLockedError, StoreError

_ATTEMPTS = 5
_MOMENT = 0.01  # seconds


class WriterLock(Closing):
    """An exclusive lock on an index folder, held from `__init__` to `close`.

    The kernel drops the lock when the process ends however it ends, so a dead holder never
    blocks; the pid, host and time inside the file are there to be named in the error.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / "LOCK"
        try:
            self._file = self._path.open("a+")
        except OSError as error:
            raise StoreError(described(error, self._path)) from error
        try:
            _lock(self._file)
        except OSError as error:
            holder = self._holder()
            self._file.close()
            raise IndexLockedError(
                f"the index {folder} is being written by {holder}; expected no other writer; "
                "wait for it to finish, or stop it, and run the command again"
            ) from error
        try:
            self._write_holder()
        except OSError as error:
            self._file.close()
            raise StoreError(described(error, self._path)) from error

    def close(self) -> None:
        """Give the lock up."""
        if not self._file.closed:
            self._file.truncate(0)
            self._file.close()

    def _write_holder(self) -> None:
        self._file.truncate(0)
        holder = {"pid": os.getpid(), "host": socket.gethostname(), "since": int(time.time())}
        self._file.write(json.dumps(holder))
        self._file.flush()

    def _holder(self) -> str:
        value = _said(self._path)
        try:
            return f"process {value['pid']} on {value['host']}"
        except KeyError:
            return "another process"


def writer_of(folder: Path) -> dict[str, Any] | None:
    """Return what the writer of an index says of itself, None where nobody holds the lock.

    What a dead process left in the file is not believed: the lock itself is asked for.
    """
    path = folder / "LOCK"
    try:
        with path.open() as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return _said(path)
    except OSError:
        return None
    return None


def _lock(file: IO[str]) -> None:
    """Take the lock, which who asks for the writer holds for a moment."""
    for _ in range(_ATTEMPTS):
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            time.sleep(_MOMENT)
        else:
            return
    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _said(path: Path) -> dict[str, Any]:
    try:
        value = json.loads(path.read_text())
    except (ValueError, OSError):
        return {}
    return value if isinstance(value, dict) else {}
