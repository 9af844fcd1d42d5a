"""Keep Pillow's warnings and its own size limit out of the way while a picture is decoded."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from PIL import Image


class _Calm:
    """Counts who is inside: both settings belong to the whole process, not to one thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._inside = 0
        self._restore = ExitStack()

    def enter(self) -> None:
        with self._lock:
            self._inside += 1
            if self._inside > 1:
                return
            self._restore.enter_context(warnings.catch_warnings())
            warnings.simplefilter("ignore")
            self._restore.callback(setattr, Image, "MAX_IMAGE_PIXELS", Image.MAX_IMAGE_PIXELS)
            Image.MAX_IMAGE_PIXELS = None

    def leave(self) -> None:
        with self._lock:
            self._inside -= 1
            if not self._inside:
                self._restore.close()


_CALM = _Calm()


@contextmanager
def calm() -> Iterator[None]:
    """Silence warnings and lift Pillow's limit on pixels, which ours replaces.

    The first thread in sets them, the last one out restores what was.
    """
    _CALM.enter()
    try:
        yield
    finally:
        _CALM.leave()
