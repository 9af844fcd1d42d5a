"""One decoded frame of a film as people see it: RGB, upright, its pixels square."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

from PIL import Image

_ITU709, _UNSPECIFIED = 1, 2  # swscale's number of a colour matrix, and a frame's of none
_HIGH_DEFINITION = 720  # lines from which an unnamed colour matrix is the one of HDTV
_WIDEST_PIXEL = 4  # a pixel's sides differ by at most this; else the header is wrong
_TURNS = {
    90: Image.Transpose.ROTATE_90,
    180: Image.Transpose.ROTATE_180,
    -180: Image.Transpose.ROTATE_180,
    -90: Image.Transpose.ROTATE_270,
}


def picture(frame: Any, ratio: Fraction | None, at_least: int | None) -> Image.Image:
    """Return a frame as it is shown; ``ratio`` is the width of its pixels to their height.

    ``at_least`` is the shorter side, in pixels, that is needed: large frames are reduced, but
    never below twice that.
    """
    options: dict[str, Any] = {"format": "rgb24"}
    if frame.colorspace == _UNSPECIFIED and frame.height >= _HIGH_DEFINITION:
        options["src_colorspace"] = _ITU709
    shorter = min(frame.width, frame.height)
    scale = 1 if at_least is None else max(1, shorter // (2 * at_least))
    if scale > 1:
        size = {"width": frame.width // scale, "height": frame.height // scale}
        options |= {**size, "interpolation": "AREA"}
    image = Image.fromarray(frame.reformat(**options).to_ndarray())
    if _widens(ratio):
        image = image.resize((max(1, round(image.width * float(ratio or 1))), image.height))
    turn = _TURNS.get(frame.rotation)
    return image if turn is None else image.transpose(turn)


def shown_size(frame: Any, ratio: Fraction | None) -> tuple[int, int]:
    """Return the width and height at which a frame is shown."""
    width, height = frame.width, frame.height
    if _widens(ratio):
        width = max(1, round(width * float(ratio or 1)))
    return (height, width) if abs(frame.rotation) == 90 else (width, height)


def _widens(ratio: Fraction | None) -> bool:
    return bool(ratio) and ratio != 1 and 1 / _WIDEST_PIXEL <= float(ratio or 1) <= _WIDEST_PIXEL
