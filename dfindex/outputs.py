"""Files that people ask for: looked at before the work begins, written as a whole or not at all."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import BinaryIO

from indexer.disk import way_out
from indexer.errors import StoreError, UsageError
from indexer.store.durable import replace_file


def check_output(path: Path) -> Path:
    """Return a path where a file can be written, as far as can be told; else raise StoreError."""
    code = _obstacle(path)
    if code is not None:
        place = path if code in (errno.EISDIR, errno.ENOTSUP) else path.parent
        raise StoreError(f"could not write {path}: {os.strerror(code)}; {way_out(code, place)}")
    return path


def check_apart(path: Path | None, inputs: Iterable[Path]) -> None:
    """Raise UsageError where a file would be written over one that is read."""
    for one in inputs:
        if path is not None and path.exists() and one.exists() and path.samefile(one):
            raise UsageError(f"expected another file than {one} to write to: it is read")


def write_together(writers: Mapping[Path, Callable[[BinaryIO], object]]) -> None:
    """Write several files, all or none; raise StoreError where one of them cannot be written."""
    parts = {path: path.with_name(f".{path.name}.part") for path in writers}
    for path in writers:
        check_output(path)
    try:
        for path, write in writers.items():
            replace_file(parts[path], write)
        for path, part in parts.items():
            part.replace(path)
    finally:
        for part in parts.values():
            part.unlink(missing_ok=True)


def _obstacle(path: Path) -> int | None:
    if path.is_dir():
        return errno.EISDIR
    if path.exists() and not path.is_file():
        return errno.ENOTSUP  # a device or a pipe, which would be replaced by a file
    if not path.parent.is_dir():
        return errno.ENOTDIR if path.parent.exists() else errno.ENOENT
    if os.access(path.parent, os.W_OK):
        return None
    return errno.EROFS if os.statvfs(path.parent).f_flag & os.ST_RDONLY else errno.EACCES
