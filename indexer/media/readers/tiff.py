"""TIFF: its pages, and samples that Pillow cuts to 8 bits, turns around or does not read."""

from __future__ import annotations

import io
import logging
import struct
from contextlib import suppress
from functools import cached_property
from itertools import islice
from typing import Any

import numpy as np
import tifffile
from PIL import Image, TiffImagePlugin

from indexer.errors import MediaError
from indexer.media.depth import Deep
from indexer.media.readers.lazy import LazyImage
from indexer.types import Reason

MOST_PAGES = 2000
_SUBFILE, _BITS, _MOST, _ORIENTATION, _PROFILE = 254, 258, 281, 274, 34675
# Tags and values that tell a camera raw file from a picture.
_PHOTOMETRIC, _SUB_IFDS, _DNG_VERSION = 262, 330, 50706
_SENSOR_PHOTOMETRICS = (32803, 34892)
_REDUCED, _MASK = 1, 4  # bits of the subfile type: a smaller version of a page, a mask of it
_GREY_OR_RGB = (0, 1, 2)  # white is zero, black is zero, RGB
_WHITE_IS_ZERO = 0
_STRAIGHT, _MULTIPLIED = 2, 1  # what an extra sample says of alpha
_USUAL_COMPRESSIONS = (1, 2, 3, 4, 5, 6, 7, 8, 32771, 32773, 32946)
_LARGE = 43  # the version of a TIFF whose offsets are of 64 bits
_BYTES_A_PIXEL = 32  # of the deepest picture that is read: RGBA of 64 bits


class Tiff:
    """The pages of a TIFF file: its pictures without the smaller versions and masks of them."""

    def __init__(self, data: bytes) -> None:
        logging.getLogger("tifffile").setLevel(logging.CRITICAL + 1)
        self._data = data
        self._pillow: TiffImagePlugin.TiffImageFile | None = None
        try:
            self._pages: Any = tifffile.TiffFile(io.BytesIO(data)).pages
            self._directories = self._found()
        except MediaError:
            raise
        except Exception:
            self._directories = []  # Pillow may do better, or say what is wrong

    def __len__(self) -> int:
        return max(1, len(self._directories))

    @property
    def is_camera_raw(self) -> bool:
        """Whether it is a raw file, whose first picture is a small preview or the sensor's."""
        if self._directories:
            return _is_camera_raw({tag.code: tag.value for tag in self._pages[0].tags})
        return _is_camera_raw(self._by_pillow(0).tag_v2)

    def open(self, number: int) -> Image.Image:
        """Open the page with this number from 0."""
        directory = self._directories[number] if self._directories else 0
        page = self._pages[directory] if self._directories else None
        if page is not None and (_is_deep(page) or _is_packed_oddly(page)):
            return TiffPage(self._data, page=page)
        try:
            return self._by_pillow(directory)
        except (OSError, SyntaxError, ValueError, TypeError, KeyError, IndexError):
            if page is None or not _is_plain(page):
                raise
            return TiffPage(self._data, page=page)

    def _by_pillow(self, directory: int) -> TiffImagePlugin.TiffImageFile:
        """Open a page by Pillow, which goes forward faster than it opens a file anew."""
        if self._pillow is None:
            self._pillow = TiffImagePlugin.TiffImageFile(io.BytesIO(self._data))
        self._pillow.seek(directory)
        return self._pillow

    def _found(self) -> list[int]:
        found: list[int] = []
        places: set[int] = set()
        for directory in range(MOST_PAGES + 1):
            try:
                page = self._pages[directory]
            except IndexError:
                break
            if page.offset in places:
                break  # the chain bites its tail
            places.add(page.offset)
            kind = page.tags.get(_SUBFILE)
            if not (directory and kind and int(kind.value) & (_REDUCED | _MASK)):
                found.append(directory)
        else:
            message = f"expected at most {MOST_PAGES} pages, got more; split the file"
            raise MediaError(Reason.TOO_LARGE, message)
        return found


class TiffPage(LazyImage):
    """A page of grey or RGB samples of any depth."""

    format = "TIFF"

    def _open(self) -> None:
        page = self.options["page"]
        self._size, self._mode = (page.imagewidth, page.imagelength), "RGB"
        profile = page.tags.get(_PROFILE)
        if profile is not None:
            self.info["icc_profile"] = profile.value

    @cached_property
    def tag_v2(self) -> dict[int, Any]:
        """The page's tags by number, as Pillow's pictures have them."""
        return {tag.code: tag.value for tag in self.options["page"].tags}

    def getexif(self) -> Image.Exif:
        """See `Image.Image.getexif`."""
        exif = Image.Exif()
        if _ORIENTATION in self.tag_v2:
            exif[_ORIENTATION] = int(self.tag_v2[_ORIENTATION])
        return exif

    def _decode(self) -> Image.Image:
        page = self.options["page"]
        _check_whole(page, len(self.data))
        values = page.asarray(maxworkers=1)
        if page.planarconfig == tifffile.PLANARCONFIG.SEPARATE and values.ndim == 3:
            values = np.moveaxis(values, 0, -1)
        values = values.reshape(page.imagelength, page.imagewidth, -1)
        if values.dtype == bool:
            values = values.view(np.uint8)
        alpha = page.extrasamples[0] if page.extrasamples else None
        colours = 3 if values.shape[2] >= 3 else 1
        kept = colours + (alpha in (_STRAIGHT, _MULTIPLIED))
        deep = Deep(values[..., :kept], _bits(page), white_is_zero=page.photometric == 0)
        shown = deep.shown()
        if alpha == _MULTIPLIED:
            return Image.frombytes("RGBa", shown.size, shown.convert("RGBA").tobytes())
        return shown


def _is_camera_raw(tags: Any) -> bool:
    try:
        is_preview = int(tags.get(_SUBFILE) or 0) & _REDUCED and _SUB_IFDS in tags
        photometric = tags.get(_PHOTOMETRIC)
        return bool(is_preview) or _DNG_VERSION in tags or photometric in _SENSOR_PHOTOMETRICS
    except (TypeError, ValueError, OverflowError):
        return False


def _is_deep(page: Any) -> bool:
    return _is_plain(page) and max(np.ravel(page.bitspersample)) > 8


def _is_packed_oddly(page: Any) -> bool:
    """Tell whether Pillow cannot unpack a page whose samples are plain."""
    return _is_plain(page) and page.compression not in _USUAL_COMPRESSIONS


def _is_plain(page: Any) -> bool:
    """Tell whether a page's samples are grey or RGB, and so what they look like."""
    if page.photometric not in _GREY_OR_RGB or page.imagedepth != 1 or page.dtype is None:
        return False
    return page.dtype.kind in "buif"


def _bits(page: Any) -> int | None:
    """Return how many bits the samples use, where the file says fewer than they take.

    The largest sample is believed where it is the largest of some number of bits; else it tells of
    this picture only.
    """
    stated = int(max(np.ravel(page.bitspersample)))
    if page.dtype.kind not in "bu":
        return None
    if stated < 8 * page.dtype.itemsize:
        return stated
    most = page.tags.get(_MOST)
    value = int(np.max(most.value)) if most is not None else 0
    bits = value.bit_length()
    return bits if bits >= 8 and value + 1 == 1 << bits else None


def _check_whole(page: Any, size: int) -> None:
    """Raise MediaError where a page's data end early, or have more channels than a picture."""
    ends = (a + b for a, b in zip(page.dataoffsets, page.databytecounts, strict=False))
    if max(ends, default=0) > size:
        raise MediaError(Reason.TRUNCATED, "the TIFF data are cut off")
    if page.nbytes > _BYTES_A_PIXEL * page.imagewidth * page.imagelength:
        got = page.nbytes // (page.imagewidth * page.imagelength)
        message = f"expected at most {_BYTES_A_PIXEL} bytes a pixel, got {got}; export it as RGB"
        raise MediaError(Reason.UNSUPPORTED, message)


def ends(data: bytes) -> int:
    """Return where the last strip, tile or directory of a TIFF ends, as far as it can be told."""
    order = "<" if data[:2] == b"II" else ">"
    large = struct.unpack_from(order + "H", data, 2)[0] == _LARGE
    if len(data) < 16:
        return 16
    (place,) = (
        struct.unpack_from(order + "Q", data, 8)
        if large
        else struct.unpack_from(order + "I", data, 4)
    )
    if place + 2 > len(data):
        return int(place) + 2
    last: int = place + 2 + struct.unpack_from(order + "H", data, place)[0] * (20 if large else 12)
    # Where the chain of directories breaks, nothing more is known.
    with suppress(Exception):
        for page in islice(tifffile.TiffFile(io.BytesIO(data)).pages, MOST_PAGES):
            counts = zip(page.dataoffsets, page.databytecounts, strict=False)
            last = max(last, page.offset, *(offset + count for offset, count in counts))
    return last
