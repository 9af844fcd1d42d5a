"""Any pixel mode to sRGB: colour profiles, transparency, depth, in strips where it is large."""

from __future__ import annotations

import io
from functools import lru_cache
from typing import Any

import numpy as np
from PIL import Image, ImageCms

# Above this many pixels a picture is converted strip by strip and reduced on the way, so that it
# is never held twice.
STRIP_ABOVE = 24_000_000
_STRIP_PIXELS = 4_000_000
_WHITE = (255, 255, 255)
_EIGHT_OF_SIXTEEN = ((np.arange(65536) + 128) // 257).astype(np.uint8)
# Modes with transparency in a palette or multiplied in, and the plain ones they become.
_PLAIN_ALPHA = {"La": "LA", "RGBa": "RGBA", "PA": "RGBA"}


def to_srgb(image: Image.Image, at_least: int | None) -> Image.Image:
    """Return a loaded picture of any mode as RGB in sRGB, with transparency on white.

    Where ``at_least`` is given and the picture is large, it is reduced by a whole factor that
    leaves its shorter side at least twice that many pixels.
    """
    convert = _Converter(image)
    if image.width * image.height <= STRIP_ABOVE:
        return convert(image)
    factor = 1 if at_least is None else max(1, min(image.size) // (2 * at_least))
    rows = max(factor, _STRIP_PIXELS // image.width // factor * factor)
    size = (-(-image.width // factor), -(-image.height // factor))
    result = Image.new("RGB", size)
    for top in range(0, image.height, rows):
        strip = image.crop((0, top, image.width, min(top + rows, image.height)))
        reduced = convert(strip)
        result.paste(reduced.reduce(factor) if factor > 1 else reduced, (0, top // factor))
    return result


class _Converter:
    """Converts strips of one picture, whose profile, palette and range are read once."""

    def __init__(self, image: Image.Image) -> None:
        self._transparency = image.info.get("transparency")
        self._range = _value_range(image)
        self._profile = _profile_transform(image)

    def __call__(self, strip: Image.Image) -> Image.Image:
        if strip.mode in _PLAIN_ALPHA:
            strip = strip.convert(_PLAIN_ALPHA[strip.mode])
        if strip.mode in ("I", "F", "I;16", "I;16B", "I;16L", "I;16N"):
            return self._from_depth(strip).convert("RGB")
        if strip.mode in ("P", "1", "L", "RGB") and self._transparency is not None:
            strip.info["transparency"] = self._transparency
            strip = strip.convert("RGBA")
        alpha = strip.getchannel("A") if strip.mode in ("RGBA", "LA") else None
        colours = self._colours(strip)
        if alpha is None:
            return colours
        white = Image.new("RGB", colours.size, _WHITE)
        white.paste(colours, mask=alpha)
        return white

    def _colours(self, strip: Image.Image) -> Image.Image:
        if self._profile is not None:
            mode, transform = self._profile
            plain = strip if strip.mode == mode else strip.convert(mode)
            return _applied(plain, transform)
        if strip.mode == "LA":
            strip = strip.convert("L")
        return strip if strip.mode == "RGB" else strip.convert("RGB")

    def _from_depth(self, strip: Image.Image) -> Image.Image:
        """Scale 16-bit, 32-bit and floating-point grey to 8 bits."""
        if strip.mode.startswith("I;16"):
            return Image.fromarray(_EIGHT_OF_SIXTEEN[np.asarray(strip)])
        low, high = self._range
        values = np.asarray(strip).astype(np.float64)
        values -= low
        values *= 255 / (high - low)
        np.nan_to_num(values, copy=False, posinf=255.0, neginf=0.0)
        np.rint(values, out=values)
        return Image.fromarray(np.clip(values, 0, 255, out=values).astype(np.uint8))


def _value_range(image: Image.Image) -> tuple[float, float]:
    """Return what is black and what is white in a deep grey picture.

    16-bit modes have their full range. 32-bit integers and floats carry no range of their own: by
    what they hold they are taken as 0..1, 0..255 or 0..65535, or from their least to their most.
    """
    if image.mode.startswith("I;16"):
        return 0.0, 65535.0
    if image.mode not in ("I", "F"):
        return 0.0, 255.0
    extremes: Any = image.getextrema()
    low, high = (float(value) for value in extremes)
    if not np.isfinite([low, high]).all():
        return 0.0, 1.0
    for white in (1.0, 255.0, 65535.0):
        if low >= 0 and high <= white and not (white == 1.0 and image.mode == "I"):
            return 0.0, white
    return low, high if high > low else low + 1


def _profile_transform(image: Image.Image) -> tuple[str, Any] | None:
    """Return the mode and transform that take the picture's colours to sRGB, if it needs one."""
    data = image.info.get("icc_profile")
    mode = {"RGBA": "RGB", "RGBX": "RGB", "P": "RGB", "LA": "L", "PA": "RGB"}.get(
        image.mode, image.mode
    )
    if mode == "LAB":  # such a picture is defined without a profile
        return mode, _transform_from(ImageCms.createProfile("LAB"), mode)
    if not data or mode not in ("RGB", "L", "CMYK"):
        return None
    transform = _transform_of(bytes(data), mode)
    return None if transform is None else (mode, transform)


@lru_cache(maxsize=16)  # the pictures of a corpus share a few profiles
def _transform_of(data: bytes, mode: str) -> Any:
    """Return the transform of a profile; None where it would change nothing, or is broken."""
    try:
        transform = _transform_from(ImageCms.ImageCmsProfile(io.BytesIO(data)), mode)
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
        return None  # also a profile of another kind of picture
    return None if mode == "RGB" and _changes_nothing(transform) else transform


def _transform_from(profile: Any, mode: str) -> Any:
    return ImageCms.buildTransform(profile, ImageCms.createProfile("sRGB"), mode, "RGB")


def _changes_nothing(transform: Any) -> bool:
    """Tell a profile that is sRGB under some name: it moves no colour by more than one step."""
    steps = np.linspace(0, 255, 9).astype(np.uint8)
    lattice = np.stack(np.meshgrid(steps, steps, steps), axis=-1).reshape(27, 27, 3)
    moved = np.asarray(_applied(Image.fromarray(lattice), transform)).astype(np.int16)
    return bool(np.abs(moved - lattice).max() <= 1)


def _applied(strip: Image.Image, transform: Any) -> Image.Image:
    converted = ImageCms.applyTransform(strip, transform)
    assert converted is not None  # None is for changes in place
    return converted
