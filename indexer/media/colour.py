"""Any pixel mode to sRGB: colour profiles, transparency, depth, in strips where it is large."""

from __future__ import annotations

import io
from collections.abc import Callable
from functools import lru_cache, partial
from typing import Any

import numpy as np
from PIL import Image, ImageCms

from indexer.media.background import Colour, Grounds, on_ground
from indexer.media.depth import Deep
from indexer.media.encoded_colour import Decoder, decoded, decoder_of

# Above this many pixels a picture is converted strip by strip and reduced on the way, so that it
# is never held twice.
STRIP_ABOVE = 24_000_000
_STRIP_PIXELS = 4_000_000
# Modes with transparency in a palette or multiplied in, and the plain ones they become.
_PLAIN_ALPHA = {"La": "LA", "RGBa": "RGBA", "PA": "RGBA"}
# Formats whose deep samples Pillow has scaled to all 16 bits, by what the file says.
_SCALED = ("PPM", "JPEG2000")

Change = Callable[[Image.Image], Image.Image]


def to_srgb(
    image: Image.Image, at_least: int | None, *, ground: Colour | None = None
) -> Image.Image:
    """Return a loaded picture of any mode as RGB in sRGB, laid on a ground where transparent.

    The ground is by default one on which the content of the whole picture shows. Where
    ``at_least`` is given and the picture is large, it is reduced by a whole factor that leaves its
    shorter side at least twice that many pixels.
    """
    image = _in_eight_bits(image)
    convert = _Converter(image, ground)
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


def count_edges(image: Image.Image, grounds: Grounds) -> None:
    """Add a loaded picture of any mode to those that are to have one ground."""
    plain = _with_plain_alpha(_in_eight_bits(image), image.info.get("transparency"))
    if plain.mode in ("LA", "RGBA"):
        grounds.add(plain)


def _in_eight_bits(image: Image.Image) -> Image.Image:
    """Return the picture itself, or what its deep grey samples show."""
    if image.mode not in ("I", "F") and not image.mode.startswith("I;16"):
        return image
    values = np.asarray(image)
    if image.format in _SCALED and image.mode == "I":
        values = values.astype(np.uint16)
    scaled = image.format in _SCALED and values.dtype == np.uint16
    shown = Deep(values[..., None], scaled=scaled).shown()
    shown.info = image.info
    return shown


def _with_plain_alpha(image: Image.Image, transparency: Any) -> Image.Image:
    """Return a picture with its transparency, if it has any, in a channel."""
    if image.mode in _PLAIN_ALPHA:
        return image.convert(_PLAIN_ALPHA[image.mode])
    if image.mode in ("P", "1", "L", "RGB") and transparency is not None:
        image.info["transparency"] = transparency
        return image.convert("RGBA")
    return image


class _Converter:
    """Converts strips of one picture, whose profile, palette and ground are found once."""

    def __init__(self, image: Image.Image, ground: Colour | None) -> None:
        self._transparency = image.info.get("transparency")
        self._change = _profile_change(image)
        self._ground = ground or _ground_of(image)

    def __call__(self, strip: Image.Image) -> Image.Image:
        strip = _with_plain_alpha(strip, self._transparency)
        colours = self._colours(strip)
        if strip.mode not in ("RGBA", "LA"):
            return colours
        return on_ground(colours, strip.getchannel("A"), self._ground)

    def _colours(self, strip: Image.Image) -> Image.Image:
        if self._change is not None:
            mode, change = self._change
            return change(strip if strip.mode == mode else strip.convert(mode))
        if strip.mode == "LA":
            strip = strip.convert("L")
        return strip if strip.mode == "RGB" else strip.convert("RGB")


def _ground_of(image: Image.Image) -> Colour:
    grounds = Grounds()
    count_edges(image, grounds)
    return grounds.best()


def _profile_change(image: Image.Image) -> tuple[str, Change] | None:
    """Return the mode in which a picture's colours change to those of sRGB, and how, or None."""
    decoder = decoder_of(image.info)
    if decoder is not None and image.mode not in ("CMYK", "LAB"):
        return "RGB", partial(_by_decoder, decoder=decoder)
    found = _profile_transform(image)
    return None if found is None else (found[0], partial(_applied, transform=found[1]))


def _by_decoder(strip: Image.Image, *, decoder: Decoder) -> Image.Image:
    return Image.fromarray(decoded(np.asarray(strip), decoder))


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
