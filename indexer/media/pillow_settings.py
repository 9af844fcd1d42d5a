"""Keep Pillow's warnings and its own size limit out of the way while a picture is decoded."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from PIL import Image

from indexer.silenced_warnings import Shared, quiet


def _lift_limit(undo: ExitStack) -> None:
    undo.callback(setattr, Image, "MAX_IMAGE_PIXELS", Image.MAX_IMAGE_PIXELS)
    Image.MAX_IMAGE_PIXELS = None


_LIMIT = Shared(_lift_limit)


@contextmanager
def our_limits() -> Iterator[None]:
    """Silence warnings and lift Pillow's limit on pixels, which ours replaces."""
    with quiet(), _LIMIT.held():
        yield
