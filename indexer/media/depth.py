"""Samples of more than 8 bits: which of them is black and which white, and what they show in 8."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from indexer.types import UInt8

Samples = npt.NDArray[Any]

# How many bits a sample may make use of; the fewest that hold the largest value are taken.
_BITS = (8, 10, 12, 14, 16)
_LARGE_WHITES = ((1 << 24) - 1, (1 << 32) - 1)  # taken where a sixteenth of them is passed
_FLOAT_WHITES = (255.0, 65535.0)
_FEW = 16.0  # fractions up to here are light above white, rather than levels of 255
_NEARLY_ALL = 0.95
_OVERSHOOT = 0.1  # how far a sharpened picture may pass its range
_STRAY = 1000  # one sample in so many may be a hot or dead pixel, or a mark for no data
_ENOUGH = 4_000_000  # samples from which a range can be told
_STRIP = 4_000_000  # samples converted at a time
_MODES = {1: "L", 2: "LA", 3: "RGB", 4: "RGBA"}


@dataclass(frozen=True)
class Deep:
    """A picture of deep samples (h, w, 1 to 4); of 2 and 4 channels the last one is alpha.

    ``bits`` are those that the file says are used, None where it does not say; ``scaled`` where
    they fill the samples' range in any case. ``white_is_zero`` turns the range around.
    """

    values: Samples
    bits: int | None = None
    scaled: bool = False
    white_is_zero: bool = False

    def __post_init__(self) -> None:
        if self.values.ndim != 3 or not 1 <= self.values.shape[2] <= 4:
            raise ValueError(f"expected samples (h, w, 1 to 4), got {self.values.shape}")

    @property
    def has_alpha(self) -> bool:
        """Whether the last channel is alpha."""
        return self.values.shape[2] in (2, 4)

    def shown(self) -> Image.Image:
        """Return the picture in 8 bits: grey or RGB, with alpha where there is one."""
        colours = self.values.shape[2] - self.has_alpha
        levels: UInt8 = np.empty(self.values.shape, dtype=np.uint8)
        low, high = self._range(self.values[..., :colours])
        ends = (high, low) if self.white_is_zero else (low, high)
        _reduce(self.values[..., :colours], *ends, levels[..., :colours])
        if self.has_alpha:
            _reduce(self.values[..., -1:], *self._range(self.values[..., -1:]), levels[..., -1:])
        height, width, channels = self.values.shape
        return Image.frombytes(_MODES[channels], (width, height), levels.tobytes())

    def _range(self, values: Samples) -> tuple[float, float]:
        if self.values.dtype.kind == "f":
            return (0.0, 1.0) if self.scaled else _float_range(values)
        if self.scaled:
            return 0.0, float(np.iinfo(values.dtype).max)
        return _integer_range(values, self.bits)


def _integer_range(values: Samples, bits: int | None) -> tuple[float, float]:
    """Return black and white of integers.

    What a file states is believed where its samples fit. Else they use as many bits as the
    largest of them needs, or, where eight lower bits are never used, the upper ones.
    """
    low, high = int(values.min()), int(values.max())
    if low < 0:
        return _robust_range(values)
    if bits is not None and high < 1 << bits:
        return 0.0, float((1 << bits) - 1)
    most = values.dtype.itemsize * 8
    used = int(np.bitwise_or.reduce(values, axis=None))
    unused = (used & -used).bit_length() - 1 if used else 0
    if most == 16 and unused >= 8:
        return 0.0, float(0xFF00)
    if most == 16 and not np.any(values % 257):
        return 0.0, float(0xFFFF)
    if high < 1 << 16:
        return 0.0, float((1 << min(most, next(one for one in _BITS if high < 1 << one))) - 1)
    for white in _LARGE_WHITES:
        if white >> 4 < high <= white:
            return 0.0, float(white)
    return 0.0, max(1.0, _robust_range(values)[1])


def _float_range(values: Samples) -> tuple[float, float]:
    """Return black and white of floats: 0 to 1, 255 or 65535 where nearly all lie there.

    Others are taken from the least to the most, and 0 is black of what lies above it, or a little
    below.
    """
    low, high = _robust_range(values)
    if low < -_OVERSHOOT * high or high <= 0:
        return low, high
    some = values.reshape(-1)[:: max(1, values.size // _ENOUGH)]
    some = some[np.isfinite(some) & (some > 0)]
    if np.mean(some <= 1 + _OVERSHOOT) >= _NEARLY_ALL:
        return 0.0, 1.0
    if high < _FEW and np.any(some % 1):
        return 0.0, high
    return 0.0, next((white for white in _FLOAT_WHITES if high <= white * (1 + _OVERSHOOT)), high)


def _robust_range(values: Samples) -> tuple[float, float]:
    """Return the least and the most of finite samples, but for the few that stray."""
    flat = values.reshape(-1)[:: max(1, values.size // _ENOUGH)]
    flat = flat[np.isfinite(flat)].astype(np.float64)
    if not flat.size:
        return 0.0, 1.0
    stray = 0 if flat.size < 100 else max(1, flat.size // _STRAY)
    kept = np.partition(flat, (stray, flat.size - 1 - stray))
    low, high = float(kept[stray]), float(kept[-1 - stray])
    return low, high if high > low else low + 1


def _reduce(values: Samples, black: float, white: float, into: UInt8) -> None:
    """Write samples as levels of 0 to 255; what is no number is black."""
    if values.dtype == np.uint16:
        table = _levels(np.arange(65536, dtype=np.float64), black, white)
        np.take(table, values, out=into, mode="clip")
        return
    rows = max(1, _STRIP // (values.shape[1] * values.shape[2]))
    for top in range(0, values.shape[0], rows):
        strip = values[top : top + rows].astype(np.float64)
        into[top : top + rows] = _levels(strip, black, white)


def _levels(values: npt.NDArray[np.float64], black: float, white: float) -> UInt8:
    values -= black
    values *= 255 / (white - black)
    np.nan_to_num(values, copy=False, posinf=255.0, neginf=0.0)
    np.rint(values, out=values)
    return np.clip(values, 0, 255, out=values).astype(np.uint8)
