"""The pictures that stand beside each other in one file: most hold one, some have pages."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from itertools import islice
from typing import Any, Protocol

from PIL import Image, JpegImagePlugin, MpoImagePlugin

from indexer.errors import MediaError
from indexer.media.formats import RAW, MediaKind
from indexer.media.jpegs import Extent, extents
from indexer.types import Reason


class Stills(Protocol):
    """Pictures of a file, by their number from 0; each is opened, and decoded when it is loaded.

    The one before may be closed by opening another.
    """

    def __len__(self) -> int:
        """Return how many there are."""

    def open(self, number: int) -> Image.Image:
        """Open one; raise what Pillow raises, or MediaError."""


class Sought:
    """Pictures that Pillow's ``seek`` finds, by the numbers it has for them.

    They are opened anew each time: what was decoded at a reduced scale stays reduced.
    """

    def __init__(self, opened: Callable[[], Image.Image], numbers: Sequence[int] = (0,)) -> None:
        self._opened = opened
        self._numbers = numbers

    def __len__(self) -> int:
        return len(self._numbers)

    def open(self, number: int) -> Image.Image:
        """See `Stills.open`."""
        image = self._opened()
        if self._numbers[number]:
            image.seek(self._numbers[number])
        return image


def open_stills(data: bytes, kind: MediaKind) -> Stills:
    """Open a file of an accepted kind; raise what Pillow raises where its header is wrong."""
    special = _SPECIAL.get(kind.format)
    if special is not None:
        return special(data)
    return Sought(lambda: Image.open(io.BytesIO(data), formats=(kind.format,)))


class _Mpo:
    """The pictures of an MPO: the JPEG, and those behind it that are pictures of their own."""

    def __init__(self, data: bytes, kinds: Sequence[str]) -> None:
        self._data = data
        behind = zip(islice(extents(data), 1, None), kinds[1:], strict=False)
        self._places = [0, *(one.start for one, kind in behind if _is_own(data, one, kind))]

    def __len__(self) -> int:
        return len(self._places)

    def open(self, number: int) -> Image.Image:
        """See `Stills.open`."""
        return JpegImagePlugin.jpeg_factory(io.BytesIO(self._data[self._places[number] :]))


def _jpeg(data: bytes) -> Stills:
    """Open a JPEG, or an MPO, which begins as one."""
    image = JpegImagePlugin.jpeg_factory(io.BytesIO(data))
    if not isinstance(image, MpoImagePlugin.MpoImageFile):
        return Sought(lambda: JpegImagePlugin.jpeg_factory(io.BytesIO(data)))
    entries: Any = image.mpinfo
    return _Mpo(data, [one["Attribute"]["MPType"] for one in entries[_MP_ENTRIES]])


# Of the pictures that follow the first: types that are only smaller versions of it, and words that
# make one a map of how much brighter the first is to be shown.
_MP_ENTRIES, _THUMBNAIL = 0xB002, "Large Thumbnail"
_GAIN_MAPS = (b"hdrgm:", b"urn:iso:std:iso:ts:21496", b"hdrgainmap")


def _is_own(data: bytes, one: Extent, kind: str) -> bool:
    head = data[one.start : one.scan].lower()
    return not kind.startswith(_THUMBNAIL) and not any(word in head for word in _GAIN_MAPS)


def _png(data: bytes) -> Stills:
    from indexer.media.readers.png import open_png

    return Sought(lambda: open_png(data))


def _tiff(data: bytes) -> Stills:
    from indexer.media.readers.tiff import Tiff

    tiff = Tiff(data)
    if not tiff.is_camera_raw:
        return tiff
    if not RAW.is_present:
        raise MediaError(Reason.UNSUPPORTED, RAW.missing)
    return _raw(data)


def _avif(data: bytes) -> Stills:
    from indexer.media.readers.avif import open_avif

    return Sought(lambda: open_avif(data))


def _heif(data: bytes) -> Stills:
    from indexer.media.readers.heif import open_heif

    image = open_heif(data)
    order = range(image.n_frames)
    first = image.tell()  # the one that a viewer shows
    return Sought(lambda: open_heif(data), sorted(order, key=lambda number: number != first))


def _jpeg_xl(data: bytes) -> Stills:
    from indexer.media.readers.jpeg_xl import JpegXl

    return JpegXl(data)


def _raw(data: bytes) -> Stills:
    from indexer.media.readers.raw import RawImage

    return Sought(lambda: RawImage(data))


_SPECIAL: dict[str, Callable[[bytes], Stills]] = {
    "JPEG": _jpeg,
    "PNG": _png,
    "TIFF": _tiff,
    "AVIF": _avif,
    "HEIF": _heif,
    "JXL": _jpeg_xl,
    "RAW": _raw,
}
