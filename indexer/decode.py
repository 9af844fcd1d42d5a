"""Open one image safely: limits, orientation, colour; any trouble is a reason, never a crash."""

from __future__ import annotations

import io
import os
import stat
import struct
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, UnidentifiedImageError

from indexer.colour import to_srgb
from indexer.errors import MediaError
from indexer.sniff import named_kind
from indexer.types import Reason

# JPEG covers MPO, the stereo and burst files that begin as one.
FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "DIB", "GIF", "TIFF", "AVIF", "PPM", "ICO")
_SWAPS_SIDES = (5, 6, 7, 8)  # EXIF orientations that lay a picture on its side
_ORIENTATION = 0x0112
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What one file may cost: pixels, bytes, seconds."""

    pixels: int = 178_956_970
    bytes: int = 1 << 30
    seconds: float = 60.0


@dataclass(frozen=True)
class DecodedImage:
    """A picture as people see it: RGB, upright, in sRGB, transparency on white.

    ``width`` and ``height`` are those of the original, upright; ``image`` may be smaller.
    """

    image: Image.Image
    width: int
    height: int
    format: str


def read_file(path: bytes | Path, *, limits: Limits) -> bytes:
    """Return a file's bytes; raise MediaError where it is none, empty, too large or unreadable."""
    try:
        # A pipe would block for ever; opened this way it does not.
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))
        with os.fdopen(descriptor, "rb") as file:
            status = os.fstat(descriptor)
            if not stat.S_ISREG(status.st_mode):
                raise MediaError(Reason.NOT_MEDIA, "expected a file, but this is none")
            if status.st_size > limits.bytes:
                raise _too_large(f"{status.st_size} bytes", f"{limits.bytes} bytes")
            data = file.read(limits.bytes + 1)
    except IsADirectoryError as error:
        raise MediaError(Reason.NOT_MEDIA, "expected a file, but this is a folder") from error
    except OSError as error:
        name = os.fsdecode(path).encode("utf-8", "backslashreplace").decode()
        raise MediaError(
            Reason.UNREADABLE, f"{name} cannot be read: {error.strerror or error}"
        ) from error
    if not data:
        raise MediaError(Reason.EMPTY, "the file has no bytes")
    if len(data) > limits.bytes:
        raise _too_large("more bytes than it said", f"{limits.bytes} bytes")
    return data


def decode_image(
    data: bytes, *, limits: Limits | None = None, at_least: int | None = None
) -> DecodedImage:
    """Decode a picture.

    ``at_least`` is the shorter side, in pixels, that is needed: a large JPEG is then decoded at a
    reduced scale, and other large pictures are reduced, but never below twice that. Raise
    MediaError with the reason class for anything that cannot be decoded.
    """
    limits = limits or Limits()
    with warnings.catch_warnings(), _no_pillow_limit():
        warnings.simplefilter("ignore")
        image = _opened(data)
        try:
            return _decoded(image, limits, at_least)
        except MediaError:
            raise
        except MemoryError as error:
            raise MediaError(Reason.TOO_LARGE, "the picture does not fit into memory") from error
        except _DECODER_ERRORS as error:
            raise MediaError(
                Reason.TRUNCATED, f"the {image.format} data are cut off or corrupt: {error}"
            ) from error
        finally:
            image.close()


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
    with warnings.catch_warnings(), _no_pillow_limit():
        warnings.simplefilter("ignore")
        try:
            with _opened(data) as image:
                return image.width * image.height
        except MediaError:
            return 0


def _opened(data: bytes) -> Image.Image:
    """Open a picture of an accepted format, without decoding it."""
    _register_heif()
    kind = named_kind(data)
    try:
        return Image.open(io.BytesIO(data), formats=(*FORMATS, *_heif_formats()))
    except UnidentifiedImageError as error:
        if kind is not None and kind.accepted:
            raise MediaError(
                Reason.TRUNCATED, f"the file begins like {kind.name}, but its header is cut off"
            ) from error
        if kind is not None:
            raise MediaError(Reason.UNSUPPORTED, kind.hint) from error
        raise _not_media_or_unsupported(data) from error
    except MemoryError as error:
        raise MediaError(Reason.TOO_LARGE, "the picture does not fit into memory") from error
    except _DECODER_ERRORS as error:
        raise MediaError(Reason.TRUNCATED, f"the header is cut off or corrupt: {error}") from error


def _not_media_or_unsupported(data: bytes) -> MediaError:
    """Tell a picture of a format dfindex does not read from what is no picture at all."""
    try:
        with Image.open(io.BytesIO(data)) as image:
            return MediaError(
                Reason.UNSUPPORTED,
                f"pictures of format {image.format} are not read; convert it to PNG",
            )
    except UnidentifiedImageError:
        return MediaError(Reason.NOT_MEDIA, "the bytes are no picture of a known kind")
    except (*_DECODER_ERRORS, MemoryError) as error:
        return MediaError(Reason.TRUNCATED, f"the header is cut off or corrupt: {error}")


def _decoded(image: Image.Image, limits: Limits, at_least: int | None) -> DecodedImage:
    width, height = image.size
    if width < 1 or height < 1:
        raise MediaError(Reason.TRUNCATED, f"the header says {width} x {height} pixels")
    if width * height > limits.pixels:
        raise _too_large(f"{width} x {height} pixels", f"{limits.pixels} pixels")
    format_ = str(image.format)
    orientation = _orientation(image)
    if at_least is not None and format_ in ("JPEG", "MPO"):
        scale = max(1, min(width, height) // (2 * at_least))
        image.draft(None, (width // scale, height // scale))
    image.load()
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


def _too_large(got: str, allowed: str) -> MediaError:
    return MediaError(
        Reason.TOO_LARGE, f"expected at most {allowed}, got {got}; raise the limit to read it"
    )


@contextmanager
def _no_pillow_limit() -> Iterator[None]:
    """Leave the size of pictures to our own limit, which is an option."""
    before = Image.MAX_IMAGE_PIXELS
    Image.MAX_IMAGE_PIXELS = None
    try:
        yield
    finally:
        Image.MAX_IMAGE_PIXELS = before


def _register_heif() -> None:
    try:
        from pillow_heif import register_heif_opener
    except ImportError:
        return
    register_heif_opener()


def _heif_formats() -> tuple[str, ...]:
    return ("HEIF",) if "HEIF" in Image.OPEN else ()
