"""HEIC files for tests, put together by hand of HEVC pictures: the default install writes none."""

from __future__ import annotations

import io
import struct
from collections.abc import Sequence

import av
import numpy as np
from PIL import Image


def avif_collection(pictures: Sequence[Image.Image]) -> bytes:
    """Return what is built like an AVIF of several pictures; they cannot be decoded."""
    data = heic(pictures)
    return (
        data.replace(b"mif1heic", b"mif1avif")
        .replace(b"ftypheic", b"ftypavif")
        .replace(b"hvc1", b"av01")
    )


def heic(pictures: Sequence[Image.Image], *, cicp: tuple[int, int] | None = None) -> bytes:
    """Return a HEIC of some pictures, side by side; the first is the primary one.

    ``cicp`` are the numbers of primaries and transfer that are written beside them.
    """
    coded = [_coded(one) for one in pictures]
    ftyp = _box(b"ftyp", b"heic" + bytes(4) + b"mif1heic")
    size = len(ftyp) + len(_meta(pictures, coded, 0, cicp)) + 8
    meta = _meta(pictures, coded, size, cicp)
    return ftyp + meta + _box(b"mdat", b"".join(data for _, data in coded))


def _coded(picture: Image.Image) -> tuple[bytes, bytes]:
    """Return a picture's decoder configuration and its coded data, as an MP4 file has them."""
    buffer = io.BytesIO()
    with av.open(buffer, "w", format="mp4") as container:
        options = {"x265-params": "log-level=none", "crf": "4", "tag": "hvc1"}
        stream = container.add_stream("libx265", rate=1, options=options)
        stream.width, stream.height = picture.size
        stream.pix_fmt = "yuv420p"
        frame = av.VideoFrame.from_ndarray(np.asarray(picture.convert("RGB")), format="rgb24")
        packets = [*stream.encode(frame), *stream.encode()]
        for packet in packets:
            packet.dts = packet.pts  # x265 gives a film of one frame any decoding time at all
            container.mux(packet)
    data = buffer.getvalue()
    place = data.index(b"hvcC")
    (length,) = struct.unpack_from(">I", data, place - 4)
    media = data.index(b"mdat")
    (whole,) = struct.unpack_from(">I", data, media - 4)
    return data[place + 4 : place - 4 + length], data[media + 4 : media - 4 + whole]


def _meta(
    pictures: Sequence[Image.Image],
    coded: Sequence[tuple[bytes, bytes]],
    first: int,
    cicp: tuple[int, int] | None,
) -> bytes:
    numbers = range(1, len(pictures) + 1)
    infos = b"".join(_full(b"infe", 2, struct.pack(">HH4sx", n, 0, b"hvc1")) for n in numbers)
    properties, associations = b"", b""
    shared = [_colours(*cicp)] if cicp else []
    place = 1
    for number, picture, (config, _) in zip(numbers, pictures, coded, strict=True):
        own = [_box(b"hvcC", config), _full(b"ispe", 0, struct.pack(">II", *picture.size)), *shared]
        properties += b"".join(own)
        indices = bytes([place | 0x80, *range(place + 1, place + len(own))])
        associations += struct.pack(">HB", number, len(own)) + indices
        place += len(own)
    ends = np.cumsum([len(data) for _, data in coded]).tolist()
    places = b"".join(
        struct.pack(">HHHII", number, 0, 1, first + end - len(data), len(data))
        for number, end, (_, data) in zip(numbers, ends, coded, strict=True)
    )
    return _full(
        b"meta",
        0,
        _full(b"hdlr", 0, bytes(4) + b"pict" + bytes(13))
        + _full(b"pitm", 0, struct.pack(">H", 1))
        + _full(b"iloc", 0, struct.pack(">HH", 0x4400, len(pictures)) + places)
        + _full(b"iinf", 0, struct.pack(">H", len(pictures)) + infos)
        + _box(
            b"iprp",
            _box(b"ipco", properties)
            + _full(b"ipma", 0, struct.pack(">I", len(pictures)) + associations),
        ),
    )


def _colours(primaries: int, transfer: int) -> bytes:
    return _box(b"colr", b"nclx" + struct.pack(">HHHB", primaries, transfer, 6, 0))


def _box(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I4s", 8 + len(content), name) + content


def _full(name: bytes, version: int, content: bytes) -> bytes:
    return _box(name, struct.pack(">I", version << 24) + content)
