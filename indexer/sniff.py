"""Name what a file is by its first bytes, never by its name."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Kind:
    """What a file's first bytes say it is; ``hint`` tells why it is not read, where it is not."""

    name: str
    accepted: bool
    hint: str = ""


_VIDEO_HINT = "videos are not indexed by this version; extract frames and index those"
_HEIC_HINT = "HEIC needs a plug-in: pip install 'dfindex[heic]'"

_ACCEPTED = {
    b"\xff\xd8\xff": "JPEG",
    b"\x89PNG\r\n\x1a\n": "PNG",
    b"GIF87a": "GIF",
    b"GIF89a": "GIF",
    b"BM": "BMP",
    b"II*\0": "TIFF",
    b"MM\0*": "TIFF",
    b"\0\0\1\0": "ICO",
}
_VIDEO = (b"\x1aE\xdf\xa3", b"OggS", b"FLV\x01", b"\0\0\1\xba", b"\0\0\1\xb3", b"0&\xb2u")
_HEIF_BRANDS = (b"heic", b"heix", b"hevc", b"heim", b"heis", b"mif1", b"msf1")


def named_kind(data: bytes) -> Kind | None:
    """Return what the first bytes of ``data`` are known to mean, or None."""
    for magic, name in _ACCEPTED.items():
        if data.startswith(magic):
            return Kind(name, accepted=True)
    if data[:4] == b"RIFF":
        return _riff(data[8:12])
    if data[4:8] == b"ftyp":
        return _iso_media(data[8:12])
    if data.startswith(_VIDEO):
        return Kind("a video", accepted=False, hint=_VIDEO_HINT)
    return None


def _riff(form: bytes) -> Kind | None:
    if form == b"WEBP":
        return Kind("WebP", accepted=True)
    if form == b"AVI ":
        return Kind("a video", accepted=False, hint=_VIDEO_HINT)
    return None


def _iso_media(brand: bytes) -> Kind:
    if brand in (b"avif", b"avis"):
        return Kind("AVIF", accepted=True)
    if brand in _HEIF_BRANDS:
        return Kind("HEIC", accepted=False, hint=_HEIC_HINT)
    return Kind("a video", accepted=False, hint=_VIDEO_HINT)
