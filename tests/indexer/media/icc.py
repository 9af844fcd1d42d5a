"""Colour profiles made byte by byte, so that tests know what they must do."""

from __future__ import annotations

import struct

from PIL import ImageCms

# Tables of 256 steps that change nothing, and the matrix that does not either.
_IDENTITY = bytes(range(256))
_UNIT_MATRIX = struct.pack(">9i", *(65536 if place % 4 == 0 else 0 for place in range(9)))


def swapped_rgb_profile() -> bytes:
    """Return sRGB's profile with the red and blue primaries exchanged."""
    data = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    (count,) = struct.unpack_from(">I", data, 128)
    for entry in range(132, 132 + 12 * count, 12):
        other = {b"rXYZ": b"bXYZ", b"bXYZ": b"rXYZ"}.get(bytes(data[entry : entry + 4]))
        if other:
            data[entry : entry + 4] = other
    return bytes(data)


def grey_ink_profile() -> bytes:
    """Return a CMYK profile in which every ink alone is mid grey, and more than one is black.

    It is an ICC version 2 profile with one lut8 table from 2 x 2 x 2 x 2 ink amounts to Lab.
    """
    corners = b""
    for corner in range(16):
        inks = corner.bit_count()
        corners += bytes(({0: 255, 1: 128}.get(inks, 0), 128, 128))
    table = b"mft1" + bytes(4) + bytes((4, 3, 2, 0)) + _UNIT_MATRIX
    table += 4 * _IDENTITY + corners + 3 * _IDENTITY
    white = b"XYZ " + bytes(4) + struct.pack(">3i", 63190, 65536, 54061)
    text = b"desc" + bytes(4) + struct.pack(">I", 5) + b"inks\0" + bytes(4 + 4 + 2 + 1 + 67)
    return _profile({b"A2B0": table, b"wtpt": white, b"desc": text})


def _profile(tags: dict[bytes, bytes]) -> bytes:
    offset = 128 + 4 + 12 * len(tags)
    index, body = struct.pack(">I", len(tags)), b""
    for name, data in tags.items():
        index += name + struct.pack(">II", offset + len(body), len(data))
        body += data + bytes(-len(data) % 4)
    size = offset + len(body)
    header = struct.pack(">I4sI4s4s4s", size, bytes(4), 0x02400000, b"prtr", b"CMYK", b"Lab ")
    header += struct.pack(">6H4s", 2026, 1, 1, 0, 0, 0, b"acsp") + bytes(28)
    header += struct.pack(">3i", 63190, 65536, 54061)
    return header.ljust(128, b"\0") + index + body
