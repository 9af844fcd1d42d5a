"""One picture for several users, decoded once for each scale that differs."""

from __future__ import annotations

from collections.abc import Callable

from indexer.media.image import DecodedImage

_JPEG = ("JPEG", "MPO")


class Scales:
    """A picture, decoded when it is first needed and kept; ``decode`` takes the shorter side.

    A picture's vector depends on the scale it was decoded at, and so do its local features: each
    user gets exactly what a decoder makes for the shorter side it asks for.
    """

    def __init__(self, decode: Callable[[int], DecodedImage]) -> None:
        self._decode = decode
        self._decoded: list[tuple[int, DecodedImage]] = []

    def at_least(self, side: int) -> DecodedImage:
        """Return the picture as it is decoded for a shorter side; raise what ``decode`` does."""
        for asked, picture in self._decoded:
            if asked == side or _is_the_same(picture, asked, side):
                return picture
        picture = self._decode(side)
        self._decoded.append((side, picture))
        return picture


def _is_the_same(picture: DecodedImage, asked: int, side: int) -> bool:
    """Tell whether what was decoded for one shorter side is what another one would give."""
    if side > asked and picture.image.size == (picture.width, picture.height):
        return True  # nothing was left out already
    if picture.format not in _JPEG:
        return False
    scale, other = (_jpeg_scale(picture, one) for one in (asked, side))
    whole = (-(-picture.width // scale), -(-picture.height // scale))
    return scale == other and picture.image.size == whole


def _jpeg_scale(picture: DecodedImage, side: int) -> int:
    """Return the factor, a power of two up to 8, that a JPEG is reduced by while it is decoded."""
    largest = max(1, min(picture.width, picture.height) // (2 * side))
    return 1 << (min(8, largest).bit_length() - 1)
