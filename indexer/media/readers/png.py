"""PNG: what its chunks say of depth and colour, and pictures of 16 bits, which Pillow cuts to 8."""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator
from typing import Any

import imagecodecs
import numpy as np
import numpy.typing as npt
from PIL import Image, PngImagePlugin

from indexer.media.depth import Deep
from indexer.media.encoded_colour import Decoder, decoded, decoder_of
from indexer.media.readers.lazy import LazyImage

_HEADER = 8
_DEEP = 16


def open_png(data: bytes) -> Image.Image:
    """Open a PNG; its ``info`` says ``cicp`` where it has that chunk."""
    plain = PngImagePlugin.PngImageFile(io.BytesIO(data))
    chunks = dict(_chunks(data))
    cicp = chunks.get(b"cICP", b"")
    if len(cicp) == 4:
        plain.info["cicp"] = tuple(cicp)
    if chunks.get(b"IHDR", bytes(13))[8] != _DEEP:
        return plain
    return DeepPng(data, plain=plain, sbit=chunks.get(b"sBIT", b""))


class DeepPng(LazyImage):
    """A PNG of 16 bits a sample."""

    format = "PNG"

    def _open(self) -> None:
        plain: Image.Image = self.options["plain"]
        self._size, self._mode = plain.size, "RGB"
        self.info = dict(plain.info)
        self.info.pop("transparency", None)  # it becomes alpha

    def getexif(self) -> Image.Exif:
        """See `Image.Image.getexif`."""
        exif: Image.Exif = self.options["plain"].getexif()
        return exif

    def _decode(self) -> Image.Image:
        values = imagecodecs.png_decode(self.data)
        values = values.reshape(*values.shape[:2], -1)
        decoder = decoder_of(self.info)
        if decoder is not None:
            return self._in_srgb(values, decoder)
        sbit = self.options["sbit"]
        return Deep(values, bits=max(sbit) if sbit else None).shown()

    def _in_srgb(self, values: npt.NDArray[Any], decoder: Decoder) -> Image.Image:
        """Take all 16 bits to sRGB: of linear light, 8 would not be enough."""
        colours = values[..., : values.shape[2] - 1] if values.shape[2] in (2, 4) else values
        three = np.broadcast_to(colours, (*values.shape[:2], 3))
        shown = Image.fromarray(decoded(three, decoder))
        if colours is not values:
            shown.putalpha(Deep(values[..., -1:]).shown())
        for key in ("cicp", "gamma", "chromaticity"):
            self.info.pop(key, None)  # done
        return shown


def _chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield the names and contents of a PNG's chunks before its pixels."""
    place = _HEADER
    while place + 8 <= len(data):
        length, name = struct.unpack_from(">I4s", data, place)
        if name in (b"IDAT", b"IEND"):
            return
        yield name, data[place + 8 : place + 8 + length]
        place += 12 + length
