"""Name what a file is by its first bytes, never by its name."""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass


@dataclass(frozen=True)
class Kind:
    """What a file's first bytes say it is.

    ``format`` is Pillow's name for it where dfindex reads it as a picture, ``container`` FFmpeg's
    where it is a video; ``hint`` tells why it is no picture that can be read.
    """

    name: str
    format: str = ""
    hint: str = ""
    container: str = ""

    @property
    def accepted(self) -> bool:
        """Whether dfindex reads such files as pictures."""
        return bool(self.format)


HEIC = "HEIC"  # read where its plug-in is installed
SNIFFED = 4096  # bytes at a file's beginning that are looked at
VIDEO_HINT = "expected a picture, but this is a video; compare and search it as one"
RAW_HINT = "camera raw files are not developed; export them as TIFF, PNG or JPEG"
_HEIC_HINT = "HEIC needs a plug-in: pip install 'dfindex[heic]'"

_ACCEPTED = {
    b"\xff\xd8\xff": "JPEG",
    b"\x89PNG\r\n\x1a\n": "PNG",
    b"GIF87a": "GIF",
    b"GIF89a": "GIF",
    b"II*\0": "TIFF",
    b"MM\0*": "TIFF",
    b"II+\0": "TIFF",
    b"MM\0+": "TIFF",
}
# First bytes of videos, and what FFmpeg calls their containers.
_VIDEO = {
    b"\x1aE\xdf\xa3": "matroska",
    b"OggS": "ogg",
    b"FLV\x01": "flv",
    b"\0\0\1\xba": "mpeg",
    b"\0\0\1\xb3": "mpegvideo",
    b"0&\xb2u": "asf",
}
_RAW = (b"FUJIFILMCCD-RAW", b"IIU\0", b"IIRO", b"IIRS", b"MMOR", b"FOVb", b"\0MRM")
_OTHER_PICTURES = {
    b"8BPS": "Photoshop (PSD)",
    b"\xff\x0a": "JPEG XL",
    b"\0\0\0\x0cJXL \r\n\x87\n": "JPEG XL",
    b"\0\0\0\x0cjP  \r\n\x87\n": "JPEG 2000",
    b"\xff\x4f\xff\x51": "JPEG 2000",
    b"\0\0\1\0": "ICO",
    b"DDS ": "DDS",
    b"v/1\x01": "OpenEXR",
    b"qoif": "QOI",
    b"icns": "ICNS",
    b"gimp xcf": "GIMP",
    b"%!PS": "PostScript",
    b"AT&TFORM": "DjVu",
}
_HEIF_BRANDS = (b"heic", b"heix", b"hevc", b"hevx", b"heim", b"heis", b"mif1", b"msf1")
# Boxes that open a QuickTime film from before there was a file type box.
_QUICKTIME_BOXES = (b"moov", b"mdat", b"wide", b"skip", b"pnot")
_BMP_HEADERS = (12, 16, 40, 52, 56, 64, 108, 124)
_TS_PACKET = 188
_PPM = re.compile(rb"P([1-6]\s+(#|\d)|7\s+(#|WIDTH)|[fF]\s+(#|\d)|y\s)")
_SVG = re.compile(rb"\s*(<\?xml[^>]*>|<!--.*?-->|<!DOCTYPE[^>]*>|\s)*<svg[\s>]", re.DOTALL)


def named_kind(data: bytes) -> Kind | None:
    """Return what the first bytes of ``data`` are known to mean, or None."""
    return _picture(data) or _container(data) or _foreign(data)


def _picture(data: bytes) -> Kind | None:
    # Canon's first raw format is a TIFF by its first bytes.
    if data[:4] == b"II*\0" and data[8:10] == b"CR":
        return Kind("a camera raw file", hint=RAW_HINT)
    for magic, name in _ACCEPTED.items():
        if data.startswith(magic):
            return Kind(name, format=name)
    if data[:2] == b"BM" and _has_bmp_header(data):
        return Kind("BMP", format="BMP")
    return Kind("PPM", format="PPM") if _PPM.match(data[:64]) else None


def _has_bmp_header(data: bytes) -> bool:
    """Tell a bitmap from a text that begins with BM."""
    if len(data) < 18:
        return False
    offset, size = struct.unpack_from("<II", data, 10)
    return size in _BMP_HEADERS or 14 < offset < 2048


def _container(data: bytes) -> Kind | None:
    if data[:4] == b"RIFF":
        return _riff(data[8:12])
    if data[4:8] == b"ftyp":
        return _iso_media(data[8:12])
    for magic, container in _VIDEO.items():
        if data.startswith(magic):
            return _video(container)
    if data[4:8] in _QUICKTIME_BOXES:
        return _video("mov")
    # Packets of a camera's transport stream have a time of 4 bytes before them.
    if any(_is_transport_stream(data, before) for before in (0, 4)):
        return _video("mpegts")
    return None


def _is_transport_stream(data: bytes, before: int) -> bool:
    places = range(before, 3 * (_TS_PACKET + before), _TS_PACKET + before)
    return all(data[place : place + 1] == b"G" for place in places)


def _video(container: str) -> Kind:
    return Kind("a video", hint=VIDEO_HINT, container=container)


def _riff(form: bytes) -> Kind | None:
    if form == b"WEBP":
        return Kind("WebP", format="WEBP")
    return _video("avi") if form == b"AVI " else None


def _iso_media(brand: bytes) -> Kind:
    if brand in (b"avif", b"avis"):
        return Kind("AVIF", format="AVIF")
    if brand in _HEIF_BRANDS:
        return Kind(HEIC, hint=_HEIC_HINT)
    if brand == b"crx ":
        return Kind("a camera raw file", hint=RAW_HINT)
    return _video("mov")


def _foreign(data: bytes) -> Kind | None:
    if data.startswith(_RAW):
        return Kind("a camera raw file", hint=RAW_HINT)
    for magic, name in _OTHER_PICTURES.items():
        if data.startswith(magic):
            return _not_read(name)
    return _not_read("SVG") if _SVG.match(data[:4096]) else None


def _not_read(name: str) -> Kind:
    hint = f"pictures of this format ({name}) are not read; convert it to PNG"
    return Kind(name, hint=hint)
