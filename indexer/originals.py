"""The one way from a sample back to its file: any path of its content, only unchanged bytes."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Container, Sequence
from dataclasses import dataclass
from functools import partial
from io import BufferedReader
from pathlib import Path
from typing import TypeVar

from indexer.corpus import FoundFile
from indexer.errors import MediaError, UnavailableError
from indexer.media.files import Limits, digest_of, open_file, stamp_of
from indexer.media.image import DecodedImage
from indexer.media.source import Media
from indexer.media.videos.frames import Sampling
from indexer.store.catalog.catalog import Catalog
from indexer.types import Absence, Sample

T = TypeVar("T")
Stamp = tuple[str, tuple[int, ...]]  # a SHA-256, and the file that held it, as the system has it


@dataclass(frozen=True)
class CheckedFile:
    """An open file that held a content when it was read, and what tells that it still does."""

    file: BufferedReader
    stamp: Stamp

    @property
    def unchanged(self) -> bool:
        """Whether nobody has written to it since."""
        return stamp_of(self.file) == self.stamp[1]


class Originals:
    """Opens the files that samples were made of, each only while it is what was indexed.

    Every path of a content is tried, and no more bytes are read than were indexed. All methods
    raise UnavailableError where none of them holds its bytes any more; the SHA-256 of the very
    descriptor that is then read decides, and that nobody wrote to it meanwhile.
    """

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog

    def open(self, sample: Sample, *, at_least: int) -> DecodedImage:
        """Decode what a sample shows, its shorter side ``at_least`` pixels if it is as large."""
        return self._seen(
            sample,
            lambda media: (
                media.shown([sample.time_s or 0.0], at_least)[0]
                if sample.page is None
                else media.page(sample.page, at_least)
            ),
        )

    def frames(
        self, sample: Sample, times: Sequence[float], *, at_least: int
    ) -> list[DecodedImage]:
        """Decode what a sample's file shows at rising times in seconds, as `open` does."""
        return self._seen(sample, lambda media: media.shown(times, at_least))

    def _seen(self, sample: Sample, look: Callable[[Media], T]) -> T:
        file, media = self._first(sample, _opened)
        with media:
            try:
                seen = look(media)
            except MediaError as error:
                raise _unavailable([(file, Absence.UNREADABLE)]) from error
            if not media.unchanged():
                raise _unavailable([(file, Absence.CHANGED)])
            return seen

    def file(self, sample: Sample, *, known: Container[Stamp] = ()) -> CheckedFile:
        """Open a sample's file, which the caller closes.

        One that has a ``known`` stamp is taken for what it was when it got that.
        """
        return self._first(sample, partial(_checked, known=known))[1]

    def path(self, sample: Sample) -> Path:
        """Return where a sample's file lies, for those who need its name."""
        file, media = self._first(sample, _opened)
        media.close()
        return Path(os.fsdecode(file.raw))

    def places(self, samples: Sequence[Sample]) -> dict[int, Path | Absence]:
        """Return where the files of samples lie, or what became of them, by the samples' ids.

        A file of the size and time that the catalog knows counts as unchanged, as it does for a
        build; others are read.
        """
        files = self._catalog.files_of([one.id for one in samples])
        return {one.id: self._place(one, files[one.id]) for one in samples}

    def absent(self, samples: Sequence[Sample]) -> dict[int, Absence]:
        """Return which samples' files are not there any more, as `places` tells it."""
        found = self.places(samples)
        return {id_: why for id_, why in found.items() if isinstance(why, Absence)}

    def absent_at(self, samples: Sequence[Sample]) -> dict[tuple[int, str], Absence]:
        """Return what `absent` does of the very paths that samples name, by id and path."""
        files = self._catalog.files_of(list({one.id for one in samples}))
        found = {}
        for sample in samples:
            named = [file for file in files[sample.id] if file.path == sample.path]
            place = self._place(sample, named)
            if isinstance(place, Absence):
                found[sample.id, sample.path] = place
        return found

    def _place(self, sample: Sample, files: Sequence[FoundFile]) -> Path | Absence:
        known = next((file for file in files if _untouched(file)), None)
        if known is None:
            try:
                known, media = _first_of(files, sample.sha256, _opened)
            except UnavailableError as error:
                return error.why
            media.close()
        return Path(os.fsdecode(known.raw))

    def _first(
        self, sample: Sample, attempt: Callable[[FoundFile, str], T | None]
    ) -> tuple[FoundFile, T]:
        files = self._catalog.files_of([sample.id])[sample.id]
        return _first_of(files, sample.sha256, attempt)


def _first_of(
    files: Sequence[FoundFile], sha256: str, attempt: Callable[[FoundFile, str], T | None]
) -> tuple[FoundFile, T]:
    """Return the first file that has these bytes, and what ``attempt`` made of it.

    It returns None for other bytes, and raises MediaError where there are none.
    """
    problems: list[tuple[FoundFile, Absence]] = []
    for file in files:
        try:
            found = attempt(file, sha256)
        except MediaError as error:
            problems.append((file, _became(error)))
            continue
        if found is not None:
            return file, found
        problems.append((file, Absence.CHANGED))
    raise _unavailable(problems)


def _opened(file: FoundFile, sha256: str) -> Media | None:
    media = Media(file.raw, Limits(bytes=file.size, video_bytes=file.size), Sampling())
    if media.sha256 == sha256:
        return media
    media.close()
    return None


def _checked(found: FoundFile, sha256: str, known: Container[Stamp]) -> CheckedFile | None:
    file = open_file(found.raw)
    try:
        stamp = sha256, stamp_of(file)
        if stamp in known or digest_of(file, found.size) == sha256:
            checked = CheckedFile(file, stamp)
            if checked.unchanged:
                file.seek(0)
                return checked
    except BaseException:
        file.close()
        raise
    file.close()
    return None


def _became(error: MediaError) -> Absence:
    if isinstance(error.__cause__, FileNotFoundError | NotADirectoryError):
        return Absence.GONE
    # Without a cause in the system something else was found there: a pipe, an empty file.
    return Absence.CHANGED if error.__cause__ is None else Absence.UNREADABLE


def _untouched(file: FoundFile) -> bool:
    try:
        status = Path(os.fsdecode(file.raw)).stat()
    except OSError:
        return False
    same = (status.st_size, status.st_mtime_ns) == (file.size, file.mtime_ns)
    return same and stat.S_ISREG(status.st_mode)


def _unavailable(problems: Sequence[tuple[FoundFile, Absence]]) -> UnavailableError:
    order = list(Absence)
    why = max((why for _, why in problems), key=order.index, default=Absence.GONE)
    told = "; ".join(f"{file.path} {why.words}" for file, why in problems)
    words = told or "the index knows no path of it"
    return UnavailableError(
        why, f"expected the file as it was indexed, but {words}; build the index again"
    )
