"""One decoded frame of a film as people see it: sRGB, upright, its pixels square, on a ground."""

from __future__ import annotations

import struct
from fractions import Fraction
from typing import Any

from PIL import Image

from indexer.media.tone_mapping import Primaries, Transfer, to_srgb

# FFmpeg's numbers of colour matrices, transfer curves and primaries.
_MATRIX_709, _UNSPECIFIED, _MATRIX_601, _MATRIX_2020, _MATRIX_2020_CL = 1, 2, 5, 9, 10
_CONVERTED = (0, 1, 2, 4, 5, 6, 7, 9)  # matrices that swscale knows
_TRANSFERS = {16: Transfer.PQ, 18: Transfer.HLG}
_PRIMARIES = {9: Primaries.BT2020, 12: Primaries.P3}
_HIGH_DEFINITION = 720  # lines from which an unnamed colour matrix is the one of HDTV
_WIDEST_PIXEL = 4  # a pixel's sides differ by at most this; else the header is wrong
_GROUND = (128, 128, 128)  # under what is transparent: neither white nor black vanishes on it
_DISPLAY_MATRIX = "DISPLAYMATRIX"
# What a display matrix does to a picture, by what becomes of its axes; see `turn_of`.
_TURNS = {
    (False, False, False): None,
    (False, True, False): Image.Transpose.FLIP_LEFT_RIGHT,
    (False, False, True): Image.Transpose.FLIP_TOP_BOTTOM,
    (False, True, True): Image.Transpose.ROTATE_180,
    (True, False, False): Image.Transpose.TRANSPOSE,
    (True, True, False): Image.Transpose.ROTATE_270,
    (True, False, True): Image.Transpose.ROTATE_90,
    (True, True, True): Image.Transpose.TRANSVERSE,
}
_ANGLES = {
    90: Image.Transpose.ROTATE_90,
    180: Image.Transpose.ROTATE_180,
    -180: Image.Transpose.ROTATE_180,
    -90: Image.Transpose.ROTATE_270,
}
_LYING = (
    Image.Transpose.TRANSPOSE,
    Image.Transpose.ROTATE_90,
    Image.Transpose.ROTATE_270,
    Image.Transpose.TRANSVERSE,
)


def picture(
    frame: Any,
    ratio: Fraction | None,
    at_least: int | None,
    turn: Image.Transpose | None = None,
) -> Image.Image:
    """Return a frame as it is shown; ``ratio`` is the width of its pixels to their height.

    ``turn`` is the film's, see `turn_of`.
    ``at_least`` is the shorter side, in pixels, that is needed: large frames are reduced, but
    never below twice that.
    """
    shorter = min(frame.width, frame.height)
    scale = 1 if at_least is None else max(1, shorter // (2 * at_least))
    options = {"threads": 1, **_colour_options(frame)}  # many films are read at once
    if scale > 1:
        size = {"width": frame.width // scale, "height": frame.height // scale}
        options |= {**size, "interpolation": "AREA"}
    image = _in_srgb(frame, options)
    if _widens(ratio):
        image = image.resize((max(1, round(image.width * float(ratio or 1))), image.height))
    return image if turn is None else image.transpose(turn)


def shown_size(frame: Any, ratio: Fraction | None, turn: Image.Transpose | None) -> tuple[int, int]:
    """Return the width and height at which a frame is shown."""
    width, height = frame.width, frame.height
    if _widens(ratio):
        width = max(1, round(width * float(ratio or 1)))
    return (height, width) if turn in _LYING else (width, height)


def _in_srgb(frame: Any, options: dict[str, Any]) -> Image.Image:
    """Return a frame's pixels as sRGB, on a ground where they are transparent."""
    transfer = _TRANSFERS.get(frame.color_trc, Transfer.FILM)
    primaries = _PRIMARIES.get(frame.color_primaries, Primaries.BT709)
    if transfer is not Transfer.FILM or primaries is not Primaries.BT709:
        deep = frame.reformat(format="rgb48le", **options).to_ndarray()
        return Image.fromarray(to_srgb(deep, transfer, primaries))
    if not any(one.is_alpha for one in frame.format.components):
        return Image.fromarray(frame.reformat(format="rgb24", **options).to_ndarray())
    image = Image.fromarray(frame.reformat(format="rgba", **options).to_ndarray())
    ground = Image.new("RGBA", image.size, (*_GROUND, 255))
    return Image.alpha_composite(ground, image).convert("RGB")


def _colour_options(frame: Any) -> dict[str, Any]:
    """Return which colour matrix to take a frame for, where it does not say one that is known."""
    matrix = frame.colorspace
    if matrix in _CONVERTED and matrix != _UNSPECIFIED:
        return {}
    if matrix == _MATRIX_2020_CL or _PRIMARIES.get(frame.color_primaries) is Primaries.BT2020:
        guess = _MATRIX_2020
    else:
        guess = _MATRIX_709 if frame.height >= _HIGH_DEFINITION else _MATRIX_601
    return {"src_colorspace": guess, "dst_colorspace": guess}


def turn_of(frame: Any) -> Image.Transpose | None:
    """Return how a film is to be turned or mirrored: its display matrix, by whole right angles.

    Ask for one frame of a film only: in PyAV one that was asked for what lies beside it is held,
    with its pixels, until the collector of garbage comes by.

    The matrix, of 16.16 fixed-point numbers, takes (x, y) to (a x + c y, b x + d y).
    """
    try:
        a, b, _, c, d = struct.unpack("=9i", frame.side_data[_DISPLAY_MATRIX])[:5]
    except KeyError:
        return None
    except ValueError:  # beside it lies something that PyAV has no name for
        return _ANGLES.get(frame.rotation)
    if abs(b) + abs(c) > abs(a) + abs(d):
        return _TURNS[True, c < 0, b < 0]
    return _TURNS[False, a < 0, d < 0]


def _widens(ratio: Fraction | None) -> bool:
    return bool(ratio) and ratio != 1 and 1 / _WIDEST_PIXEL <= float(ratio or 1) <= _WIDEST_PIXEL
