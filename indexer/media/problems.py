"""The reason why a picture cannot be decoded, from what its bytes and its decoder say.

Truncated is what ends early, by the structure of its file or by its decoder's words; what is whole
and cannot be decoded is unsupported, whether it is coded in a way that is not known or damaged.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator
from contextlib import contextmanager

from PIL import Image, UnidentifiedImageError

from indexer.errors import MediaError
from indexer.media.formats import FORMATS, MediaKind
from indexer.media.wholeness import ends_early
from indexer.types import Reason

DECODER_ERRORS = (
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
# Words by which decoders say that they wanted more.
_WANTED_MORE = (
    *("truncated", "too small", "need_more_input", "end of file", "unexpected end"),
    *("not enough", "cannot read", "failed to read", "eof"),
)
# Formats told by their first bytes alone, and data files that Pillow knows by name only.
_NOT_TRIED = FORMATS | {"DIB", "BUFR", "GRIB", "HDF5"}


@contextmanager
def translated(data: bytes, kind: MediaKind) -> Iterator[None]:
    """Turn what decoders raise into MediaError with its reason."""
    try:
        yield
    except MediaError:
        raise
    except MemoryError as error:
        raise MediaError(Reason.TOO_LARGE, "the picture does not fit into memory") from error
    except DECODER_ERRORS as error:
        raise _named(data, kind, error) from error
    except Exception as error:
        message = f"the decoder failed with {type(error).__name__}: {error}"
        raise MediaError(Reason.INTERNAL, message) from error


def unknown(data: bytes) -> MediaError:
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


def _named(data: bytes, kind: MediaKind, error: Exception) -> MediaError:
    words = str(error).lower()
    # Pillow's word for text chunks that unpack to many times their size.
    if "too large" in words:
        return MediaError(Reason.TOO_LARGE, f"the file unpacks to more than it should: {error}")
    if ends_early(data, kind.format):
        return MediaError(Reason.TRUNCATED, f"the {kind.name} data are cut off: {error}")
    if any(word in words for word in _WANTED_MORE):
        return MediaError(Reason.TRUNCATED, f"the {kind.name} data end too early: {error}")
    message = f"the {kind.name} data are damaged, or coded in a way that is not read here: {error}"
    return MediaError(Reason.UNSUPPORTED, message)
