"""What a disk's errors mean, and the way out of each."""

from __future__ import annotations

import errno
import os
from pathlib import Path

_SHOWN = 400  # characters of a name
_WAYS = {
    errno.ENOSPC: "{disk} is full; make room on it and run the command again",
    errno.EDQUOT: "your share of {disk} is full; make room in it and run the command again",
    errno.EFBIG: "raise the limit of a file's size (ulimit -f) and run the command again",
    errno.EROFS: "{disk} is read-only; mount it for writing, or name another folder",
    errno.EACCES: "change the permissions, or name another folder",
    errno.EPERM: "change the permissions, or name another folder",
    errno.EEXIST: "expected a folder there; move away what lies there, or name another",
    errno.ENOTDIR: "expected a folder there; move away what lies there, or name another",
    errno.EISDIR: "expected a file, and a folder lies there; name another",
    errno.ENOENT: "expected it to be there; look whether its folder exists",
    errno.ENAMETOOLONG: "expected a shorter name",
    errno.EMFILE: "raise the limit of open files (ulimit -n) and run the command again",
    errno.ENFILE: "close what holds so many files open and run the command again",
    errno.ENOTSUP: "expected a file or nothing there, and it is a device or a pipe; name another",
    errno.EIO: "{disk} may be failing; copy what is on it before anything else",
}


def described(error: OSError, path: str | Path | None = None) -> str:
    """Return what went wrong with which file, and the way out, in one line.

    ``path`` stands for the file where the error names none.
    """
    named = error.filename2 or error.filename or path
    where = "" if named is None else f"{_shortened(os.fsdecode(os.fspath(named)))}: "
    return f"{where}{error.strerror or error}; {way_out(code_of(error), named)}"


def code_of(error: OSError) -> int | None:
    """Return an error's number; NumPy gives none where it could write only a part."""
    return errno.ENOSPC if error.errno is None and "written" in str(error) else error.errno


def way_out(code: int | None, path: str | bytes | Path | int | None = None) -> str:
    """Return what to do about an error number that was met at ``path``."""
    disk = "the disk" if path is None or isinstance(path, int) else f"the disk at {_mount(path)}"
    return _WAYS.get(code or 0, "look whether {disk} is well and run the command again").format(
        disk=disk
    )


def code_in(words: str) -> int | None:
    """Return the error number whose words another library's message repeats, None for none."""
    return next((one for one in _WAYS if os.strerror(one).lower() in words.lower()), None)


def _shortened(name: str) -> str:
    return name if len(name) <= _SHOWN else f"{name[: _SHOWN // 2]}...{name[-_SHOWN // 2 :]}"


def _mount(path: str | bytes | Path) -> str:
    """Return where the disk that holds a path is mounted."""
    place = Path(os.path.realpath(os.fsdecode(path)))
    try:
        table = Path("/proc/self/mounts").read_text(errors="surrogateescape")
        mounts = {Path(line.split()[1].replace("\\040", " ")) for line in table.splitlines()}
    except (OSError, IndexError):
        mounts = set()
    around = (place, *place.parents)
    return str(next((one for one in around if one in mounts or os.path.ismount(one)), place.anchor))
