"""Open pictures safely: limits, orientation, colour; any trouble is a reason, never a crash.

A picture whose data end early is refused as truncated, even where most of it could be shown: half a
picture on grey would be found beside other half pictures, not beside its whole. That holds for a
JPEG without its end marker too; Pillow cannot tell one from a JPEG that lacks its last rows.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from PIL import Image

from indexer.errors import MediaError
from indexer.media.colour import to_srgb
from indexer.media.files import Limits, read_file, too_large
from indexer.media.formats import MediaKind, named_kind
from indexer.media.pillow_settings import our_limits
from indexer.media.problems import DECODER_ERRORS, translated, unknown
from indexer.media.stills import open_stills
from indexer.structure import ASSESSABLE, structure
from indexer.types import Reason

_LOOKED_AT = 50  # pages among which one that is not blank is looked for
_SMALL = 64  # pixels of a page's shorter side that tell whether it is blank
_SWAPS_SIDES = (5, 6, 7, 8)  # EXIF orientations that lay a picture on its side
_ORIENTATION = 0x0112
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


@dataclass(frozen=True)
class DecodedImage:
    """A picture as people see it: RGB, upright, in sRGB, on a ground where it is transparent.

    ``width`` and ``height`` are those of the original, upright; ``image`` may be smaller. ``page``
    counts from 1, and is None where a file has one picture.
    """

    image: Image.Image
    width: int
    height: int
    format: str
    page: int | None = None


def check_pixels(width: int, height: int, limits: Limits) -> None:
    """Raise MediaError where a picture or frame has more pixels than are allowed."""
    if width * height > limits.pixels:
        raise too_large(f"{width} x {height} pixels", f"{limits.pixels} pixels")


def decode_file(path: Path, *, at_least: int | None = None) -> DecodedImage:
    """Read and decode a picture as `decode_image` does; raise MediaError where that fails."""
    limits = Limits()
    return decode_image(read_file(path, limits=limits), limits=limits, at_least=at_least)


def decode_image(
    data: bytes, *, limits: Limits | None = None, at_least: int | None = None
) -> DecodedImage:
    """Decode the picture of a file, as `Pictures` does; of several pages the first with content."""
    pictures = Pictures(data, limits or Limits())
    return pictures.decode(pictures.first_assessable(), at_least)


class Pictures:
    """The pictures that stand beside each other in a file, by their page, from 1.

    All methods raise MediaError with the reason class for anything that cannot be decoded.
    """

    def __init__(self, data: bytes, limits: Limits) -> None:
        self._data = data
        self._limits = limits
        self._kind = _kind(data)
        with our_limits(), translated(data, self._kind):
            self._stills = open_stills(data, self._kind)
            first = self._stills.open(0)
            self.pixels = first.width * first.height
            self._size = first.size

    @cached_property
    def pages(self) -> int:
        """How many pictures there are; 1 for most files."""
        check_pixels(*self._size, self._limits)  # some count by decoding
        with our_limits(), translated(self._data, self._kind):
            return len(self._stills)

    def first_assessable(self) -> int:
        """Return the first page that is not blank, 1 where all that are looked at are.

        The same at every size: it is looked for in small versions.
        """
        if self.pages == 1:
            return 1
        looked_at = range(1, min(self.pages, _LOOKED_AT) + 1)
        pages = (page for page in looked_at if self._is_assessable(page))
        return next(pages, 1)

    def _is_assessable(self, page: int) -> bool:
        return structure(self.decode(page, _SMALL).image) >= ASSESSABLE

    def decode(self, page: int, at_least: int | None) -> DecodedImage:
        """Decode one picture.

        ``at_least`` is the shorter side, in pixels, that is needed: a large JPEG is then decoded
        at a reduced scale, and other large pictures are reduced, but never below twice that.
        """
        with our_limits(), translated(self._data, self._kind):
            image = self._stills.open(page - 1)
            decoded = _decoded(image, self._limits, at_least)
        return replace(decoded, page=page) if self.pages > 1 else decoded


def _kind(data: bytes) -> MediaKind:
    kind = named_kind(data)
    if kind is None:
        raise unknown(data)
    if not kind.accepted:
        raise MediaError(Reason.UNSUPPORTED, kind.hint)
    if kind.plugin is not None and not kind.plugin.is_present:
        raise MediaError(Reason.UNSUPPORTED, kind.plugin.missing)
    return kind


def _decoded(image: Image.Image, limits: Limits, at_least: int | None) -> DecodedImage:
    width, height = image.size
    if width < 1 or height < 1:
        raise MediaError(Reason.TRUNCATED, f"the header says {width} x {height} pixels")
    check_pixels(width, height, limits)
    format_ = str(image.format)
    is_jpeg = format_ in ("JPEG", "MPO")
    if at_least is not None and is_jpeg:
        scale = max(1, min(width, height) // (2 * at_least))
        image.draft(None, (width // scale, height // scale))
    image.load()
    if not is_jpeg:
        width, height = image.size
    orientation = _orientation(image)  # known only now; Pillow turns a TIFF by itself
    upright = _upright(to_srgb(image, at_least), orientation)
    if orientation in _SWAPS_SIDES:
        width, height = height, width
    return DecodedImage(upright, width, height, format_)


def _orientation(image: Image.Image) -> int:
    try:
        value = image.getexif().get(_ORIENTATION, 1)
    except DECODER_ERRORS:
        return 1  # broken metadata do not make the picture unreadable
    return value if isinstance(value, int) and 1 <= value <= 8 else 1


def _upright(image: Image.Image, orientation: int) -> Image.Image:
    turn = _TURNS.get(orientation)
    return image if turn is None else image.transpose(turn)
