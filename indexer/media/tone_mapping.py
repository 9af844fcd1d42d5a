"""What a screen for films shows of high dynamic range and of wide gamuts, as sRGB.

The same for every frame, whatever its content or the metadata beside it, so that a copy without
them, a frame alone and a thumbnail look alike: a peak of 1,000 cd/m2 is mapped to 203 cd/m2, the
white of BT.2408, by the curve of BT.2390-8, section 5.4.1.
"""

from __future__ import annotations

from enum import StrEnum
from functools import cache

import numpy as np
import numpy.typing as npt

from indexer.types import Float32, UInt8

_PEAK, _WHITE = 1000.0, 203.0  # cd/m2
_PQ_PEAK = 10_000.0
_HLG_GAMMA = 1.2  # of a screen of 1,000 cd/m2 (BT.2100)
_FILM_GAMMA = 2.2  # of what is shown as sRGB unchanged, where only its primaries are others
_STEPS = 4096  # of the tables; their index is the fourth root, as an eye would space them

# CIE x and y of red, green, blue; white is D65 for all of them.
_WHITE_POINT = (0.3127, 0.3290)


class Transfer(StrEnum):
    """What code values of a film mean."""

    FILM = "film"
    PQ = "pq"
    HLG = "hlg"


class Primaries(StrEnum):
    """The colours that a film's red, green and blue are."""

    BT709 = "bt709"
    P3 = "p3"
    BT2020 = "bt2020"


_CHROMATICITIES = {
    Primaries.BT709: ((0.640, 0.330), (0.300, 0.600), (0.150, 0.060)),
    Primaries.P3: ((0.680, 0.320), (0.265, 0.690), (0.150, 0.060)),
    Primaries.BT2020: ((0.708, 0.292), (0.170, 0.797), (0.131, 0.046)),
}


def to_srgb(values: npt.NDArray[np.uint16], transfer: Transfer, primaries: Primaries) -> UInt8:
    """Return code values (h, w, 3) of full range as sRGB (h, w, 3)."""
    light = _linear(transfer)[values]
    if transfer is Transfer.HLG:
        light *= np.maximum(light @ _luminance(primaries), 1e-6)[..., None] ** (_HLG_GAMMA - 1)
    light = np.maximum(light @ _to_bt709(primaries).T, 0)
    if transfer is not Transfer.FILM:
        brightest = light.max(axis=-1)
        light *= _gain()[_places(brightest / (_PEAK / _WHITE))][..., None]
        return _srgb_codes()[_places(light)]
    return _film_codes()[_places(light)]


def _places(values: Float32) -> npt.NDArray[np.uint16]:
    """Return where in a table values from 0 to 1 stand."""
    places = np.sqrt(np.sqrt(np.minimum(values, 1))) * (_STEPS - 1) + 0.5
    return np.asarray(places, dtype=np.uint16)


def _spaced() -> npt.NDArray[np.float64]:
    return np.asarray(np.linspace(0, 1, _STEPS) ** 4)


@cache
def _linear(transfer: Transfer) -> Float32:
    """Return the light of each of 65,536 code values: 1 is the white of a film."""
    codes = np.linspace(0, 1, 65536)
    if transfer is Transfer.PQ:
        light = np.minimum(_pq_light(codes), _PEAK) / _WHITE
    elif transfer is Transfer.HLG:
        # Scaled so that a screen's gamma of the luminance, taken of this, gives its light.
        light = _hlg_scene(codes) * (_PEAK / _WHITE) ** (1 / _HLG_GAMMA)
    else:
        light = codes**_FILM_GAMMA
    return light.astype(np.float32)


@cache
def _gain() -> Float32:
    """Return what to multiply a pixel by, by its brightest part: 1 is the peak."""
    light = np.maximum(_spaced(), 1e-12)
    mapped = _pq_light(_eetf(_pq_code(light * _PEAK)))
    return np.asarray(mapped / _WHITE / (light * _PEAK / _WHITE), dtype=np.float32)


@cache
def _srgb_codes() -> UInt8:
    light = _spaced()
    code = np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)
    return np.asarray(np.rint(255 * code), dtype=np.uint8)


@cache
def _film_codes() -> UInt8:
    return np.asarray(np.rint(255 * _spaced() ** (1 / _FILM_GAMMA)), dtype=np.uint8)


def _pq_light(code: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return the light, in cd/m2, of PQ code values (BT.2100, table 4)."""
    power = code ** (1 / 78.84375)
    ratio = np.maximum(power - 0.8359375, 0) / (18.8515625 - 18.6875 * power)
    return np.asarray(_PQ_PEAK * ratio ** (1 / 0.1593017578125))


def _pq_code(light: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    power = (light / _PQ_PEAK) ** 0.1593017578125
    return np.asarray(((0.8359375 + 18.8515625 * power) / (1 + 18.6875 * power)) ** 78.84375)


def _hlg_scene(code: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return the light of a scene, 0 to 1, of HLG code values (BT.2100, table 5)."""
    a, b, c = 0.17883277, 0.28466892, 0.55991073
    return np.where(code <= 0.5, code**2 / 3, (np.exp((code - c) / a) + b) / 12)


def _eetf(code: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return where BT.2390 puts PQ code values, on a screen whose peak is a film's white."""
    peak, white = _pq_code(np.array([_PEAK, _WHITE]))
    one, most = code / peak, white / peak
    knee = 1.5 * most - 0.5
    t = np.clip((one - knee) / (1 - knee), 0, 1)
    bent = (
        (2 * t**3 - 3 * t**2 + 1) * knee
        + (t**3 - 2 * t**2 + t) * (1 - knee)
        + (3 * t**2 - 2 * t**3) * most
    )
    return np.asarray(np.where(one < knee, one, bent) * peak)


@cache
def _to_xyz(primaries: Primaries) -> npt.NDArray[np.float64]:
    """Return the matrix (3, 3) from red, green, blue to XYZ."""
    x, y = np.array(_CHROMATICITIES[primaries]).T
    colours = np.stack([x / y, np.ones(3), (1 - x - y) / y])
    white_x, white_y = _WHITE_POINT
    white = np.array([white_x / white_y, 1, (1 - white_x - white_y) / white_y])
    return np.asarray(colours * np.linalg.solve(colours, white))


@cache
def _luminance(primaries: Primaries) -> Float32:
    return np.asarray(_to_xyz(primaries)[1], dtype=np.float32)


@cache
def _to_bt709(primaries: Primaries) -> Float32:
    matrix = np.linalg.solve(_to_xyz(Primaries.BT709), _to_xyz(primaries))
    return np.asarray(matrix, dtype=np.float32)
