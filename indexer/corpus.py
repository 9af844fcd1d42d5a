"""Walk a corpus: every file in it, in order, none skipped in silence; labels from folder names."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from indexer.errors import MediaError, UsageError
from indexer.types import Reason

MEDIA_SUFFIXES = frozenset(
    b".jpg .jpeg .jpe .jfif .png .apng .webp .bmp .gif .tif .tiff .avif .heic .heif .ppm .pgm "
    b".pbm .pfm .ico .psd .jp2 .j2k .jxl .dng .cr2 .cr3 .nef .arw .raf .rw2 .orf .mpo .hif "
    b".mp4 .mov .mkv .webm .avi .m4v .mpg .mpeg .mts .wmv .flv .3gp .mxf .h264 .hevc .h265 .ivf "
    b".y4m .mjpeg .mjpg".split()
)
FRAME_SUFFIXES = frozenset(b".jpg .jpeg .png .webp .bmp .tif .tiff .ppm".split())
REAL_NAMES = frozenset(("real", "authentic", "original", "originals", "pristine", "genuine"))
FAKE_NAMES = frozenset(
    (
        "fake",
        "fakes",
        "synthetic",
        "generated",
        "manipulated",
        "deepfake",
        "deepfakes",
        "forged",
        "tampered",
    )
)
_SPECIAL = {
    stat.S_IFIFO: "a named pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a character device",
    stat.S_IFBLK: "a block device",
}


@dataclass(frozen=True, kw_only=True)
class FoundFile:
    r"""A file the walk came upon.

    ``raw`` is its absolute path as the system's bytes; ``path`` the same as text, with bytes that
    are no UTF-8 written as ``\xNN``; ``size`` in bytes; ``problem`` says why it cannot be read.
    ``device`` and ``inode`` say which file it is, whatever links lead there.
    """

    raw: bytes
    path: str
    size: int
    mtime_ns: int
    device: int | None = None
    inode: int | None = None
    problem: MediaError | None = None


def walk(
    roots: Iterable[Path | bytes], *, exclude: Iterable[Path] = (), frames: Iterable[Path] = ()
) -> Iterator[FoundFile]:
    """Yield every file below ``roots``, depth first and by name, each once.

    Links are followed. A folder whose name looks like a picture's is yielded with a problem, and
    entered. Folders in ``exclude``, and any that hold an index of dfindex, are not entered. At and
    below ``frames`` a folder's pictures are one video: the folder is yielded in their place. Raise
    UsageError where a root does not exist.
    """
    walker = _Walker((absolute(path) for path in exclude), [absolute(path) for path in frames])
    starts = sorted({absolute(root) for root in roots})
    for root in starts:
        if not os.path.lexists(root):
            raise UsageError(
                f"expected a file or folder to index, but {as_text(root)} is not there"
            )
    for root in sorted(highest(starts)):
        yield from walker.visit(root)


def prefix_of(folder: bytes) -> bytes:
    """Return what all paths below a folder begin with."""
    return folder.rstrip(b"/") + b"/"


def is_below(path: bytes, folders: Iterable[bytes]) -> bool:
    """Tell whether a path is one of ``folders`` or lies below one."""
    return any(path == folder or path.startswith(prefix_of(folder)) for folder in folders)


def highest(folders: Iterable[bytes]) -> list[bytes]:
    """Return the folders that lie in no other, each once."""
    kept: list[bytes] = []
    for folder in sorted(set(folders), key=prefix_of):
        if not is_below(folder, kept[-1:]):
            kept.append(folder)
    return kept


def as_text(raw: bytes) -> str:
    r"""Return a path for people: UTF-8, with other bytes as ``\xNN``."""
    return raw.decode("utf-8", "backslashreplace")


def is_there(path: bytes) -> bool:
    """Tell whether a path leads to something, be it a broken link."""
    return os.path.lexists(path)


def folder_of(raw: bytes) -> bytes:
    """Return a folder itself, of a file the folder that it lies in."""
    return raw if os.path.isdir(raw) else os.path.dirname(raw)


def folder_label(path: str) -> tuple[str, str | None] | None:
    """Return (label, generator) as a path's folders name them, or None.

    The nearest folder called real, authentic, original, pristine or genuine makes a picture real;
    one called fake, synthetic, generated, manipulated, deepfake, forged or tampered makes it fake,
    and the folder below that one, if any, names the generator.
    """
    folders = path.split("/")[:-1]
    for place in range(len(folders) - 1, -1, -1):
        name = folders[place].lower()
        if name in REAL_NAMES:
            return "real", None
        if name in FAKE_NAMES:
            return "fake", folders[place + 1] if place + 1 < len(folders) else None
    return None


@dataclass(frozen=True)
class _Folder:
    """An open folder on the way down: who it is, and what of it is still to come."""

    identity: tuple[int, int]
    entries: Iterator[bytes]


class _Walker:
    def __init__(self, exclude: Iterable[bytes], frames: Sequence[bytes]) -> None:
        self._frames = frames
        self._exclude_paths = frozenset(exclude)
        # The same folder may be reached by another name, through a link.
        self._exclude = {_identity(path) for path in self._exclude_paths} - {None}

    def visit(self, root: bytes) -> Iterator[FoundFile]:
        """Yield what is at and below ``root``."""
        way: list[_Folder] = []  # not recursion: folders may nest deeper than Python's calls
        yield from self._meet(root, way)
        while way:
            entry = next(way[-1].entries, None)
            if entry is None:
                way.pop()
            else:
                yield from self._meet(entry, way)

    def _meet(self, raw: bytes, way: list[_Folder]) -> Iterator[FoundFile]:
        """Yield a file, or a problem; a folder is put on the way."""
        try:
            status = os.stat(raw)
        except OSError as error:
            yield _problem(raw, Reason.UNREADABLE, _link_trouble(raw, error))
            return
        if stat.S_ISDIR(status.st_mode):
            yield from self._enter(raw, (status.st_dev, status.st_ino), way)
        elif stat.S_ISREG(status.st_mode):
            yield _found(raw, (status.st_dev, status.st_ino), status.st_size, status.st_mtime_ns)
        else:
            kind = _SPECIAL.get(stat.S_IFMT(status.st_mode), "not a file")
            yield _problem(raw, Reason.NOT_MEDIA, f"expected a file, but this is {kind}")

    def _enter(
        self, raw: bytes, identity: tuple[int, int], way: list[_Folder]
    ) -> Iterator[FoundFile]:
        if raw in self._exclude_paths or identity in self._exclude or _is_index(raw):
            return
        if any(folder.identity == identity for folder in way):
            yield _problem(raw, Reason.UNREADABLE, "a link back to a folder that contains it")
            return
        if os.path.splitext(raw)[1].lower() in MEDIA_SUFFIXES:
            yield _problem(raw, Reason.NOT_MEDIA, "a folder, not a file; its contents are indexed")
        try:
            names = sorted(os.listdir(raw))
        except OSError as error:
            yield _problem(raw, Reason.UNREADABLE, f"the folder cannot be read: {error.strerror}")
            return
        if is_below(raw, self._frames):
            pictures = [name for name in names if is_frame_name(name)]
            if pictures:
                yield _frame_folder(raw, identity, pictures)
                names = [name for name in names if not is_frame_name(name)]
        way.append(_Folder(identity, (os.path.join(raw, name) for name in names)))


def is_frame_name(name: bytes) -> bool:
    """Tell by its name whether a file in a folder of frames is one of them."""
    return os.path.splitext(name)[1].lower() in FRAME_SUFFIXES and not name.startswith(b".")


def _found(raw: bytes, identity: tuple[int, int], size: int, mtime_ns: int) -> FoundFile:
    device, inode = identity
    return FoundFile(
        raw=raw, path=as_text(raw), size=size, mtime_ns=mtime_ns, device=device, inode=inode
    )


def _frame_folder(raw: bytes, identity: tuple[int, int], names: Sequence[bytes]) -> FoundFile:
    size, newest = 0, 0
    for name in names:
        try:
            status = os.stat(os.path.join(raw, name))
        except OSError:
            continue  # the decoder says what is wrong with it
        size, newest = size + status.st_size, max(newest, status.st_mtime_ns)
    return _found(raw, identity, size, newest)


def found_at(raw: bytes) -> FoundFile | None:
    """Look at one file, or a folder of frames, as the walk does; None where it is not there."""
    try:
        status = os.stat(raw)
        names = os.listdir(raw) if stat.S_ISDIR(status.st_mode) else []
    except OSError:
        return None
    identity = status.st_dev, status.st_ino
    if stat.S_ISDIR(status.st_mode):
        return _frame_folder(raw, identity, [name for name in names if is_frame_name(name)])
    if not stat.S_ISREG(status.st_mode):
        return None
    return _found(raw, identity, status.st_size, status.st_mtime_ns)


def _identity(path: bytes) -> tuple[int, int] | None:
    try:
        status = os.stat(path)
    except OSError:
        return None
    return status.st_dev, status.st_ino


def _problem(raw: bytes, reason: Reason, message: str) -> FoundFile:
    try:
        status = os.lstat(raw)
        size, mtime_ns = status.st_size, status.st_mtime_ns
    except OSError:
        size, mtime_ns = 0, 0
    return FoundFile(
        raw=raw,
        path=as_text(raw),
        size=size,
        mtime_ns=mtime_ns,
        problem=MediaError(reason, message),
    )


def _link_trouble(raw: bytes, error: OSError) -> str:
    if error.errno == errno.ELOOP:
        return "a link that leads back to itself"
    if os.path.islink(raw):
        return f"a link to something that is not there: {as_text(os.readlink(raw))}"
    return f"the file cannot be looked at: {error.strerror}"


def _is_index(folder: bytes) -> bool:
    catalog = os.path.join(folder, b"catalog.duckdb")
    return os.path.isfile(catalog) and os.path.isdir(os.path.join(folder, b"spaces"))


def absolute(path: str | bytes | Path) -> bytes:
    """Return a path as the index knows it: the system's bytes, from the root, without ``..``."""
    return os.path.abspath(os.fsencode(path))
