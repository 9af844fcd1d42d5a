"""One writer at a time: a lock file that names its holder and frees itself when the holder dies."""

from __future__ import annotations

import fcntl
import json
import os
import socket
import time
from pathlib import Path

from indexer.closing import Closing
from indexer.disk import described
from indexer.errors import IndexLockedError, StoreError


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
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
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
        try:
            value = json.loads(self._path.read_text())
            return f"process {value['pid']} on {value['host']}"
        except (ValueError, KeyError, OSError):
            return "another process"
