"""Silence warnings for the whole process while any thread works that would utter them."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager


class Shared:
    """A setting of the whole process: the first thread in makes it, the last one out undoes it."""

    def __init__(self, make: Callable[[ExitStack], None]) -> None:
        self._make = make
        self._lock = threading.Lock()
        self._inside = 0
        self._undo = ExitStack()

    @contextmanager
    def held(self) -> Iterator[None]:
        """Hold the setting until the block ends."""
        with self._lock:
            self._inside += 1
            if self._inside == 1:
                self._make(self._undo)
        try:
            yield
        finally:
            with self._lock:
                self._inside -= 1
                if not self._inside:
                    self._undo.close()


def _ignore_warnings(undo: ExitStack) -> None:
    undo.enter_context(warnings.catch_warnings())
    warnings.simplefilter("ignore")


_WARNINGS = Shared(_ignore_warnings)


@contextmanager
def quiet() -> Iterator[None]:
    """Ignore warnings in this and, unavoidably, every other thread.

    Two threads that each save and restore the filters themselves can restore each other's; what
    others than these threads have restored meanwhile is set again.
    """
    with _WARNINGS.held():
        warnings.simplefilter("ignore")
        yield
