"""The pictures that stand beside each other in one file: most hold one, some have pages."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from typing import Any, Protocol

from PIL import Image, JpegImagePlugin, MpoImagePlugin

from indexer.decode_problems import DECODER_ERRORS
from indexer.errors import MediaError
from indexer.plugins import RAW
from indexer.sniff import Kind
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


def open_stills(data: bytes, kind: Kind) -> Stills:
    """Open a file of an accepted kind; raise what Pillow raises where its header is wrong."""
    special = _SPECIAL.get(kind.format)
    if special is not None:
        return special(data)
    return Sought(lambda: Image.open(io.BytesIO(data), formats=(kind.format,)))


def _jpeg(data: bytes) -> Stills:
    """Open a JPEG, or an MPO, which begins as one."""
    image = JpegImagePlugin.jpeg_factory(io.BytesIO(data))
    is_mpo = isinstance(image, MpoImagePlugin.MpoImageFile)
    numbers = _pictures_of_mpo(image, data) if is_mpo else (0,)
    return Sought(lambda: JpegImagePlugin.jpeg_factory(io.BytesIO(data)), numbers)


# Of the pictures that follow the first: types that are only smaller versions of it, and words that
# make one a map of how much brighter the first is to be shown.
_MP_ENTRY, _MPO_TYPE, _THUMBNAIL = 0xB002, "MPType", "Large Thumbnail"
_GAIN_MAPS = (b"hdrgm:", b"urn:iso:std:iso:ts:21496", b"hdrgainmap")
_HEAD = 1 << 16


def _pictures_of_mpo(image: Any, data: bytes) -> list[int]:
    """Return which of its pictures are there and are no thumbnails or gain maps of the first."""
    kept = [0]
    for number, entry in enumerate(image.mpinfo[_MP_ENTRY][1:], start=1):
        try:
            image.seek(number)
        except DECODER_ERRORS:
            continue  # cut off by who edited the first, and left in its list
        head = data[image.offset : image.offset + _HEAD].lower()
        is_map = any(word in head for word in _GAIN_MAPS)
        if not is_map and not entry["Attribute"][_MPO_TYPE].startswith(_THUMBNAIL):
            kept.append(number)
    return kept


def _png(data: bytes) -> Stills:
    from indexer.formats.png import open_png

    return Sought(lambda: open_png(data))


def _tiff(data: bytes) -> Stills:
    from indexer.formats.tiff import Tiff, is_camera_raw

    tiff = Tiff(data)
    if not is_camera_raw(tiff.open(0)):
        return tiff
    if not RAW.is_present:
        raise MediaError(Reason.UNSUPPORTED, RAW.missing)
    return _raw(data)


def _heif(data: bytes) -> Stills:
    from indexer.formats.heif import open_heif

    image = open_heif(data)
    order = range(image.n_frames)
    first = image.tell()  # the one that a viewer shows
    return Sought(lambda: open_heif(data), sorted(order, key=lambda number: number != first))


def _jpeg_xl(data: bytes) -> Stills:
    from indexer.formats.jpeg_xl import JpegXl

    return JpegXl(data)


def _raw(data: bytes) -> Stills:
    from indexer.formats.raw import RawImage

    return Sought(lambda: RawImage(data))


_SPECIAL: dict[str, Callable[[bytes], Stills]] = {
    "JPEG": _jpeg,
    "PNG": _png,
    "TIFF": _tiff,
    "HEIF": _heif,
    "JXL": _jpeg_xl,
    "RAW": _raw,
}
