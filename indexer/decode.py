"""Open one image safely: limits, orientation, colour; any trouble is a reason, never a crash.

A picture whose data end early is refused as truncated, even where most of it could be shown: half a
picture on grey would be found beside other half pictures, not beside its whole. That holds for a
JPEG without its end marker too; Pillow cannot tell one from a JPEG that lacks its last rows.
"""

from __future__ import annotations

import io
import struct
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from PIL import Image, UnidentifiedImageError

from indexer.colour import to_srgb
from indexer.decode_calm import calm
from indexer.errors import MediaError
from indexer.files import Limits, read_file, too_large
from indexer.sniff import HEIC, RAW_HINT, named_kind
from indexer.types import Reason

_SWAPS_SIDES = (5, 6, 7, 8)  # EXIF orientations that lay a picture on its side
_ORIENTATION = 0x0112
# TIFF tags and values that tell a camera raw file from a picture.
_SUBFILE, _PHOTOMETRIC, _SUB_IFDS, _DNG_VERSION = 254, 262, 330, 50706
_SENSOR_PHOTOMETRICS = (32803, 34892)
_COMPRESSION = 259
_USUAL_COMPRESSIONS = (1, 2, 3, 4, 5, 6, 7, 8, 32773, 32946)
# Formats told by their first bytes alone, and data files that Pillow knows by name only.
_NOT_TRIED = frozenset(
    ("JPEG", "PNG", "GIF", "BMP", "DIB", "TIFF", "WEBP", "AVIF", "HEIF", "PPM")
    + ("BUFR", "GRIB", "HDF5")
)
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


@dataclass(frozen=True)
class DecodedImage:
    """A picture as people see it: RGB, upright, in sRGB, transparency on white.

    ``width`` and ``height`` are those of the original, upright; ``image`` may be smaller.
    """

    image: Image.Image
    width: int
    height: int
    format: str


def check_pixels(width: int, height: int, limits: Limits) -> None:
    """Raise MediaError where a picture or frame has more pixels than are allowed."""
    if width * height > limits.pixels:
        raise too_large(f"{width} x {height} pixels", f"{limits.pixels} pixels")


def decode_file(path: Path, *, at_least: int | None = None) -> DecodedImage:
    """Read and decode a picture as `decode_image` does; raise MediaError where that fails."""
    limits = Limits()
    return decode_image(read_file(path, limits=limits), limits=limits, at_least=at_least)


def decode_image(
    data: bytes, *, limits: Limits | None = None, at_least: int | None = None
) -> DecodedImage:
    """Decode a picture.

    ``at_least`` is the shorter side, in pixels, that is needed: a large JPEG is then decoded at a
    reduced scale, and other large pictures are reduced, but never below twice that. Raise
    MediaError with the reason class for anything that cannot be decoded.
    """
    limits = limits or Limits()
    with calm():
        image = _opened(data)
        try:
            return _decoded(image, limits, at_least)
        except MediaError:
            raise
        except MemoryError as error:
            raise MediaError(Reason.TOO_LARGE, "the picture does not fit into memory") from error
        except _DECODER_ERRORS as error:
            raise _cannot_decode(image, error) from error
        except Exception as error:
            raise _unforeseen(error) from error


_DECODER_ERRORS = (
    OSError,
    SyntaxError,
    ValueError,
    TypeError,
    IndexError,
    KeyError,
    AttributeError,
    OverflowError,
    ZeroDivisionError,
    EOFError,
    RuntimeError,
    struct.error,
    AssertionError,
)


def peek_pixels(data: bytes) -> int:
    """Return how many pixels a picture's header claims, 0 where that cannot be told."""
    with calm():
        try:
            with _opened(data) as image:
                return image.width * image.height
        except MediaError:
            return 0


def _opened(data: bytes) -> Image.Image:
    """Open a picture of an accepted format, without decoding it."""
    kind = named_kind(data)
    if kind is None:
        raise _not_media_or_unsupported(data)
    # JPEG covers MPO, the stereo and burst files that begin as one.
    formats: tuple[str, ...] = (kind.format,)
    if kind.name == HEIC and _has_heif():
        formats = ("HEIF", "AVIF")
    elif not kind.accepted:
        raise MediaError(Reason.UNSUPPORTED, kind.hint)
    try:
        image = Image.open(io.BytesIO(data), formats=formats)
    except UnidentifiedImageError as error:
        raise MediaError(
            Reason.TRUNCATED, f"the file begins like {kind.name}, but its header is cut off"
        ) from error
    except MemoryError as error:
        raise MediaError(Reason.TOO_LARGE, "the picture does not fit into memory") from error
    except _DECODER_ERRORS as error:
        raise _bad_header(error) from error
    except Exception as error:
        raise _unforeseen(error) from error
    if image.format == "TIFF" and _is_camera_raw(image):
        image.close()
        raise MediaError(Reason.UNSUPPORTED, RAW_HINT)
    return image


def _unforeseen(error: Exception) -> MediaError:
    return MediaError(Reason.INTERNAL, f"the decoder failed with {type(error).__name__}: {error}")


def _bad_header(error: Exception) -> MediaError:
    # Pillow's word for text chunks that unpack to many times their size.
    if "too large" in str(error):
        return MediaError(Reason.TOO_LARGE, f"the file unpacks to more than it should: {error}")
    return MediaError(Reason.TRUNCATED, f"the header is cut off or corrupt: {error}")


def _not_media_or_unsupported(data: bytes) -> MediaError:
    """Tell a picture of a format dfindex does not read from what is no picture at all."""
    Image.init()
    others = [name for name in Image.OPEN if name not in _NOT_TRIED]
    try:
        with Image.open(io.BytesIO(data), formats=others) as image:
            name = str(image.format)
    except UnidentifiedImageError:
        return MediaError(Reason.NOT_MEDIA, "the bytes are no picture of a known kind")
    except Exception:
        name = "unknown, or broken"
    return MediaError(
        Reason.UNSUPPORTED, f"pictures of this format ({name}) are not read; convert it to PNG"
    )


def _is_camera_raw(image: Image.Image) -> bool:
    """Tell a raw file, whose first picture is a small preview, from a TIFF picture."""
    tags = getattr(image, "tag_v2", {})
    try:
        is_preview = int(tags.get(_SUBFILE) or 0) & 1 and _SUB_IFDS in tags
        photometric = tags.get(_PHOTOMETRIC)
        return bool(is_preview) or _DNG_VERSION in tags or photometric in _SENSOR_PHOTOMETRICS
    except _DECODER_ERRORS:
        return False


def _cannot_decode(image: Image.Image, error: Exception) -> MediaError:
    compression = getattr(image, "tag_v2", {}).get(_COMPRESSION, 1)
    if image.format == "TIFF" and compression not in _USUAL_COMPRESSIONS:
        return MediaError(
            Reason.UNSUPPORTED,
            f"TIFF compression {compression} cannot be read here; convert it to PNG",
        )
    return MediaError(Reason.TRUNCATED, f"the {image.format} data are cut off or corrupt: {error}")


def _decoded(image: Image.Image, limits: Limits, at_least: int | None) -> DecodedImage:
    width, height = image.size
    if width < 1 or height < 1:
        raise MediaError(Reason.TRUNCATED, f"the header says {width} x {height} pixels")
    check_pixels(width, height, limits)
    format_ = str(image.format)
    is_jpeg = format_ in ("JPEG", "MPO")
    if at_least is not None and is_jpeg:
        scale = max(1, min(width, height) // (2 * at_least))
        image.draft(None, (width // scale, height // scale))
    image.load()
    if not is_jpeg:
        width, height = image.size
    orientation = _orientation(image)  # known only now; Pillow turns a TIFF by itself
    upright = _upright(to_srgb(image, at_least), orientation)
    if orientation in _SWAPS_SIDES:
        width, height = height, width
    return DecodedImage(upright, width, height, format_)


def _orientation(image: Image.Image) -> int:
    try:
        value = image.getexif().get(_ORIENTATION, 1)
    except _DECODER_ERRORS:
        return 1  # broken metadata do not make the picture unreadable
    return value if isinstance(value, int) and 1 <= value <= 8 else 1


def _upright(image: Image.Image, orientation: int) -> Image.Image:
    turn = _TURNS.get(orientation)
    return image if turn is None else image.transpose(turn)


@cache
def _has_heif() -> bool:
    try:
        from pillow_heif import register_heif_opener
    except ImportError:
        return False
    register_heif_opener()
    return True
