"""The formats: first bytes, names, MIME types, and the libraries that read what Pillow does not."""

from __future__ import annotations

import re
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec


@dataclass(frozen=True)
class Plugin:
    """A library, by the name of its module; ``missing`` is what a file says that needs it.

    ``before`` are the words of older versions, which knew of no library for such files.
    """

    module: str
    missing: str
    before: Sequence[str] = ()

    @property
    def is_present(self) -> bool:
        """Whether the library is installed."""
        return find_spec(self.module) is not None


def _needs(what: str, module: str, way: str) -> str:
    return f"{what} need the library {module}, which is not installed: pip install {way}"


_NOT_READ = "pictures of this format ({}) are not read; convert it to PNG"

HEIF = Plugin(
    "pi_heif",
    _needs("HEIC pictures", "pi_heif", "pi-heif"),
    ("HEIC needs a plug-in: pip install 'dfindex[heic]'",),
)
JPEG_XL = Plugin(
    "imagecodecs",
    _needs("JPEG XL pictures", "imagecodecs", "imagecodecs"),
    (_NOT_READ.format("JPEG XL"),),
)
RAW = Plugin(
    "rawpy",
    _needs("camera raw files", "rawpy", "'dfindex[raw]'"),
    ("camera raw files are not developed; export them as TIFF, PNG or JPEG",),
)
PLUGINS = (HEIF, JPEG_XL, RAW)


@dataclass(frozen=True)
class MediaKind:
    """What a file's first bytes say it is.

    ``format`` is Pillow's name for it where dfindex reads it as a picture, by a ``plugin`` if it
    has one, ``container`` FFmpeg's where it is a video; ``hint`` tells why it is no picture that
    can be read.
    """

    name: str
    format: str = ""
    hint: str = ""
    container: str = ""
    plugin: Plugin | None = None

    @property
    def accepted(self) -> bool:
        """Whether dfindex reads such files as pictures."""
        return bool(self.format)


SNIFFED = 4096  # bytes at a file's beginning that are looked at
VIDEO_HINT = "expected a picture, but this is a video; compare and search it as one"
CAMERA_RAW = MediaKind("a camera raw file", format="RAW", plugin=RAW)
_HEIC = MediaKind("HEIC", format="HEIF", plugin=HEIF)
_JPEG_XL = MediaKind("JPEG XL", format="JXL", plugin=JPEG_XL)

_ACCEPTED = {
    b"\xff\xd8\xff": "JPEG",
    b"\x89PNG\r\n\x1a\n": "PNG",
    b"GIF87a": "GIF",
    b"GIF89a": "GIF",
    b"II*\0": "TIFF",
    b"MM\0*": "TIFF",
    b"II+\0": "TIFF",
    b"MM\0+": "TIFF",
    b"\0\0\0\x0cjP  \r\n\x87\n": "JPEG2000",
    b"\xff\x4f\xff\x51": "JPEG2000",
    b"8BPS\0\1": "PSD",
}
# Pillow's names of all that are known by their first bytes.
FORMATS = frozenset(_ACCEPTED.values()) | {"AVIF", "BMP", "HEIF", "PPM", "WEBP"}
# What a browser is told, of those that browsers know.
_MEDIA_TYPES = {
    "JPEG": "image/jpeg",
    "MPO": "image/jpeg",
    "PNG": "image/png",
    "GIF": "image/gif",
    "WEBP": "image/webp",
    "AVIF": "image/avif",
    "BMP": "image/bmp",
    "MOV": "video/mp4",
    "MATROSKA": "video/x-matroska",
    "OGG": "video/ogg",
    "AVI": "video/x-msvideo",
    "FLV": "video/x-flv",
    "MPEG": "video/mpeg",
    "MPEGVIDEO": "video/mpeg",
    "MPEGTS": "video/mp2t",
    "ASF": "video/x-ms-asf",
}
_NAMES = {"JPEG2000": "JPEG 2000", "PSD": "Photoshop (PSD)"}
# First bytes of videos, and what FFmpeg calls their containers.
_VIDEO = {
    b"\x1aE\xdf\xa3": "matroska",
    b"OggS": "ogg",
    b"FLV\x01": "flv",
    b"\0\0\1\xba": "mpeg",
    b"\0\0\1\xb3": "mpegvideo",
    b"0&\xb2u": "asf",
    b"\0\0\1\xb0": "m4v",
    b"\0\0\1\x0f": "vc1",
    b"DKIF": "ivf",
    b"YUV4MPEG2 ": "yuv4mpegpipe",
    b"\x06\x0e\x2b\x34\x02\x05\x01\x01\x0d\x01\x02": "mxf",
    b"\0\0\0\0\1\xbc": "gxf",
    b"\x1f\x07\0": "dv",
    b"\x12\0\x0a": "obu",
    b".RMF\0": "rm",
    b"\xb7\xd8\0\x20\x37\x49\xda\x11\xa6\x4e\0\x07\xe9\x5e\xad\x8d": "wtv",
    b"nut/multimedia container\0": "nut",
}
_RAW = (b"FUJIFILMCCD-RAW", b"IIU\0", b"IIRO", b"IIRS", b"MMOR", b"FOVb", b"\0MRM")
_JPEG_XL_BEGINNINGS = (b"\xff\x0a", b"\0\0\0\x0cJXL \r\n\x87\n")
_OTHER_PICTURES = {
    b"8BPS": "Photoshop (PSB)",
    b"\0\0\1\0": "ICO",
    b"DDS ": "DDS",
    b"v/1\x01": "OpenEXR",
    b"#?RADIANCE": "Radiance HDR",
    b"#?RGBE": "Radiance HDR",
    b"II\xbc": "JPEG XR",
    b"BPG\xfb": "BPG",
    b"qoif": "QOI",
    b"icns": "ICNS",
    b"gimp xcf": "GIMP",
    b"%!PS": "PostScript",
    b"AT&TFORM": "DjVu",
}
_HEIF_BRANDS = (b"heic", b"heix", b"hevc", b"hevx", b"heim", b"heis", b"mif1", b"msf1")
_SEQUENCES = {b"msf1", b"hevc", b"hevx"}
# Boxes that open a QuickTime film from before there was a file type box.
_QUICKTIME_BOXES = (b"moov", b"mdat", b"wide", b"skip", b"pnot")
_FLIC = (b"\x11\xaf", b"\x12\xaf")
_BMP_HEADERS = (12, 16, 40, 52, 56, 64, 108, 124)
_TS_PACKET = 188
_MULTIPART = re.compile(
    rb"\s*--[^\r\n]{1,100}\r?\n([^\r\n]{1,200}\r?\n)*?content-type:\s*image/jpeg", re.IGNORECASE
)
_HEVC = re.compile(rb"\x00\x00\x01[\x40\x42]\x01[\x00-\xff]")
_H264 = re.compile(
    rb"\x00\x00\x01[\x27\x47\x67][\x2c\x42\x4d\x53\x56\x58\x64\x6e\x76\x7a\x80\x8a\xf4]"
)
_PPM = re.compile(rb"P([1-6]\s+(#|-?\d)|7\s+(#|WIDTH)|[fF]\s+(#|\d)|y\s)")
_SVG = re.compile(rb"\s*(<\?xml[^>]*>|<!--.*?-->|<!DOCTYPE[^>]*>|\s)*<svg[\s>]", re.DOTALL)


def named_kind(data: bytes) -> MediaKind | None:
    """Return what the first bytes of ``data`` are known to mean, or None."""
    return _picture(data) or _container(data) or _foreign(data)


def media_type(format_: str, head: bytes = b"") -> str:
    """Return the MIME type of a file by its indexed format, and by its first bytes where given."""
    if format_ == "MATROSKA" and b"webm" in head[:64]:
        return "video/webm"
    return _MEDIA_TYPES.get(format_, "application/octet-stream")


def _picture(data: bytes) -> MediaKind | None:
    # Canon's first raw format is a TIFF by its first bytes.
    if data[:4] == b"II*\0" and data[8:10] == b"CR":
        return CAMERA_RAW
    for magic, name in _ACCEPTED.items():
        if data.startswith(magic):
            return MediaKind(_NAMES.get(name, name), format=name)
    if data.startswith(_JPEG_XL_BEGINNINGS):
        return _JPEG_XL
    if data[:2] == b"BM" and _has_bmp_header(data):
        return MediaKind("BMP", format="BMP")
    return MediaKind("PPM", format="PPM") if _PPM.match(data[:64]) else None


def _has_bmp_header(data: bytes) -> bool:
    """Tell a bitmap from a text that begins with BM."""
    if len(data) < 18:
        return False
    offset, size = struct.unpack_from("<II", data, 10)
    return size in _BMP_HEADERS or 14 < offset < 2048


def _container(data: bytes) -> MediaKind | None:
    if data[:4] == b"RIFF":
        return _riff(data[8:12])
    if data[4:8] == b"ftyp":
        return _iso_media(data)
    for magic, container in _VIDEO.items():
        if data.startswith(magic):
            return _video(container)
    if data[4:6] in _FLIC and data[12:14] == b"\x08\0":
        return _video("flic")
    if data[4:8] in _QUICKTIME_BOXES:
        return _video("mov")
    # Packets of a camera's transport stream have a time of 4 bytes before them.
    if any(_is_transport_stream(data, before) for before in (0, 4)):
        return _video("mpegts")
    return _stream(data)


def _stream(data: bytes) -> MediaKind | None:
    """Name a film without a container: pictures one after the other, as recorders write them."""
    if _MULTIPART.match(data):
        return _video("mpjpeg")
    if data.startswith((b"\0\0\1", b"\0\0\0\1")):
        # A stream is known by the parameters that its first picture cannot do without.
        if _HEVC.search(data):
            return _video("hevc")
        if _H264.search(data):
            return _video("h264")
    return None


def _is_transport_stream(data: bytes, before: int) -> bool:
    places = range(before, 3 * (_TS_PACKET + before), _TS_PACKET + before)
    return all(data[place : place + 1] == b"G" for place in places)


def _video(container: str) -> MediaKind:
    return MediaKind("a video", hint=VIDEO_HINT, container=container)


def _riff(form: bytes) -> MediaKind | None:
    if form == b"WEBP":
        return MediaKind("WebP", format="WEBP")
    return _video("avi") if form == b"AVI " else None


def _iso_media(data: bytes) -> MediaKind:
    """Name what the brands of an ISO media file say: sequences of pictures are read as films."""
    major = data[8:12]
    (size,) = struct.unpack_from(">I", data)
    brands = {data[place : place + 4] for place in range(8, min(size, len(data)) - 3, 4)}
    if major in (b"avif", b"avis") or (major in _HEIF_BRANDS and brands & {b"avif", b"avis"}):
        return MediaKind("AVIF", format="AVIF")
    if major in _HEIF_BRANDS:
        return _video("mov") if brands & _SEQUENCES else _HEIC
    return CAMERA_RAW if major == b"crx " else _video("mov")


def _foreign(data: bytes) -> MediaKind | None:
    if data.startswith(_RAW):
        return CAMERA_RAW
    for magic, name in _OTHER_PICTURES.items():
        if data.startswith(magic):
            return _not_read(name)
    return _not_read("SVG") if _SVG.match(data[:4096]) else None


def _not_read(name: str) -> MediaKind:
    hint = f"pictures of this format ({name}) are not read; convert it to PNG"
    return MediaKind(name, hint=hint)


def read_now() -> list[str]:
    """Return the messages of failures whose files can be read with what is installed now."""
    messages = [_NOT_READ.format(name) for name in ("JPEG 2000", "Photoshop (PSD)")]
    for plugin in PLUGINS:
        if plugin.is_present:
            messages += [plugin.missing, *plugin.before]
    return messages
