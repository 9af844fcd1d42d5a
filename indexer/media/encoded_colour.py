"""Colours as the chunks of a PNG tell them, cICP, gAMA and cHRM: to sRGB."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache, partial
from typing import Any

import numpy as np
import numpy.typing as npt

from indexer.media import tone_mapping
from indexer.media.tone_mapping import Primaries, Transfer
from indexer.types import UInt8

Codes = npt.NDArray[np.uint16]
Decoder = Callable[[Codes], UInt8]

# Numbers of ITU-T H.273.
_PRIMARIES = {9: Primaries.BT2020, 11: Primaries.P3, 12: Primaries.P3}
_TRANSFERS = {16: Transfer.PQ, 18: Transfer.HLG}
_GAMMAS = {4: 1 / 2.2, 5: 1 / 2.8, 8: 1.0}  # exponents of encoding, as gAMA has them
_USUAL_GAMMA, _SAME_GAMMA = 1 / 2.2, 0.02
_SRGB = (0.3127, 0.3290, 0.64, 0.33, 0.30, 0.60, 0.15, 0.06)  # white, red, green, blue: x, y
_SAME_COLOUR = 0.003
_PIXELS = 1_000_000  # decoded at a time
_TO_CONES = np.array(  # Bradford's, for another white
    [[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]]
)


def decoder_of(info: Mapping[Any, Any]) -> Decoder | None:
    """Return what takes codes (h, w, 3) of 16 bits to sRGB, None where they are sRGB already.

    ``info`` is a picture's as Pillow has it, with ``cicp`` where there is one. cICP counts for
    more than a colour profile, a profile for more than gamma and chromaticities.
    """
    if "cicp" in info:
        return _of_cicp(tuple(info["cicp"]))
    if "icc_profile" in info or "srgb" in info:
        return None
    gamma = info.get("gamma") or _USUAL_GAMMA
    return _of_gamma(float(gamma), tuple(map(float, info.get("chromaticity") or _SRGB)))


def decoded(codes: npt.NDArray[Any], decoder: Decoder) -> UInt8:
    """Return codes (h, w, 3) of 8 or 16 bits as sRGB, a few rows at a time."""
    result = np.empty(codes.shape, dtype=np.uint8)
    rows = max(1, _PIXELS // codes.shape[1])
    for top in range(0, codes.shape[0], rows):
        strip = codes[top : top + rows]
        deep = strip if strip.dtype == np.uint16 else strip.astype(np.uint16) * 257
        result[top : top + rows] = decoder(deep)
    return result


@lru_cache(maxsize=16)
def _of_cicp(cicp: tuple[int, ...]) -> Decoder | None:
    primaries, transfer, _, is_full = cicp
    colours = _PRIMARIES.get(primaries, Primaries.BT709)
    curve = _TRANSFERS.get(transfer, Transfer.FILM)
    decoder: Decoder | None = partial(tone_mapping.to_srgb, transfer=curve, primaries=colours)
    if colours is Primaries.BT709 and curve is Transfer.FILM:
        decoder = _of_gamma(_GAMMAS.get(transfer, _USUAL_GAMMA), _SRGB)
    return decoder if is_full else partial(_widened, decoder=decoder)


def _widened(codes: Codes, *, decoder: Decoder | None) -> UInt8:
    """Decode codes of a film's narrow range, 16 to 235 of 255."""
    levels = np.clip((np.arange(65536) / 257 - 16) / 219, 0, 1)
    if decoder is None:
        return np.asarray(np.rint(255 * levels).astype(np.uint8)[codes])
    return decoder(np.rint(65535 * levels).astype(np.uint16)[codes])


@lru_cache(maxsize=16)
def _of_gamma(gamma: float, colours: tuple[float, ...]) -> Decoder | None:
    same_colours = np.abs(np.subtract(colours, _SRGB)).max() <= _SAME_COLOUR
    if not 0.1 <= gamma <= 10 or (same_colours and abs(gamma - _USUAL_GAMMA) <= _SAME_GAMMA):
        return None
    try:
        matrix = np.eye(3) if same_colours else _to_srgb_light(colours)
    except (np.linalg.LinAlgError, ZeroDivisionError):
        return None  # chromaticities of no colours
    light = (np.linspace(0, 1, 65536) ** (1 / gamma)).astype(np.float32)
    return partial(_by_table, light=light, matrix=matrix.astype(np.float32))


def _by_table(
    codes: Codes, *, light: npt.NDArray[np.float32], matrix: npt.NDArray[np.float32]
) -> UInt8:
    values = np.clip(light[codes] @ matrix.T, 0, 1)
    curve = np.where(values <= 0.0031308, 12.92 * values, 1.055 * values ** (1 / 2.4) - 0.055)
    return np.asarray(np.rint(255 * curve).astype(np.uint8))


def _to_srgb_light(colours: tuple[float, ...]) -> npt.NDArray[np.float64]:
    """Return the matrix (3, 3) from a picture's light to that of sRGB, its white made white."""
    cones = [_TO_CONES @ _xyz(*one[:2]) for one in (_SRGB, colours)]
    adapted = np.linalg.solve(_TO_CONES, np.diag(cones[0] / cones[1]) @ _TO_CONES)
    return np.asarray(np.linalg.solve(_to_xyz(_SRGB), adapted @ _to_xyz(colours)))


def _to_xyz(colours: tuple[float, ...]) -> npt.NDArray[np.float64]:
    white, *primaries = (_xyz(*colours[place : place + 2]) for place in (0, 2, 4, 6))
    columns = np.column_stack(primaries)
    return np.asarray(columns * np.linalg.solve(columns, white))


def _xyz(x: float, y: float) -> npt.NDArray[np.float64]:
    """Return the colour of a chromaticity with a luminance of 1; raise ZeroDivisionError."""
    return np.array([x / y, 1.0, (1 - x - y) / y])
