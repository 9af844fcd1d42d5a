"""Which generations of an index are being read: what a compaction drops waits for its readers.

A reader holds a shared lock on one byte of a file, the one whose offset is its generation. Whoever
deletes what generation n dropped asks for the bytes before n alone; the kernel gives a lock up
when its process ends, however it ends.
"""

from __future__ import annotations

import errno
import fcntl
import os
import struct
import weakref
from collections.abc import Callable
from contextlib import suppress
from io import FileIO

from indexer.closing import Closing
from indexer.store.folder import IndexFolder

_FLOCK = "hhqqi4x"  # struct flock: type, whence, start, length, pid (0: the lock is the file's)


class ReaderLock(Closing):
    """Says that a generation is being read, from `__init__` to `close`.

    Nothing is said where the index lies on a disk that is read-only or knows no such locks.
    """

    def __init__(self, folder: IndexFolder, generation: int) -> None:
        self._let_go: Callable[[], object] = lambda: None
        try:
            file = os.open(folder.readers, os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            return
        # An index that nobody closed, as one opened from Python may be, lets go when it is dropped.
        self._let_go = weakref.finalize(self, os.close, file)
        with suppress(OSError):
            _lock(file, fcntl.F_RDLCK, generation, 1)

    def close(self) -> None:
        """Say that it is read no longer."""
        self._let_go()


def read_before(folder: IndexFolder, generation: int) -> bool:
    """Tell whether anybody reads a generation before this one."""
    with FileIO(folder.readers, "a+") as file:
        try:
            _lock(file.fileno(), fcntl.F_WRLCK, 0, generation)
        except OSError as error:
            return error.errno in (errno.EAGAIN, errno.EACCES)
    return False


def _lock(file: int, kind: int, start: int, length: int) -> None:
    fcntl.fcntl(file, fcntl.F_OFD_SETLK, struct.pack(_FLOCK, kind, 0, start, length, 0))
