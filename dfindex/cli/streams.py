"""Standard output and error: what they cannot show, and what happens when they break."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer


T = TypeVar("T")


class OutputError(Exception):
    """Standard output cannot be written."""


class _Raw(io.FileIO):
    """A standard stream that breaks once: what is written to it afterwards is dropped.

    That the reader of a pipe has gone is no error: a command goes on to its exit code.
    """

    def __init__(self, descriptor: int, *, forgiving: bool) -> None:
        super().__init__(descriptor, "w", closefd=False)
        self._forgiving = forgiving
        self.broken = False

    def write(self, data: ReadableBuffer, /) -> int:
        """Write some bytes, or drop them where the stream is broken."""
        size = memoryview(data).nbytes
        if self.broken:
            return size
        try:
            return super().write(data)
        except OSError as error:
            self.broken = True
            if self._forgiving or isinstance(error, BrokenPipeError):
                return size
            raise OutputError(error.strerror) from error


@contextmanager
def standard_streams() -> Iterator[None]:
    """Let the block print whatever it likes; raise OutputError where output cannot be written.

    What a console cannot show is written with escapes. Nobody hears of errors about errors.
    """
    _occupy()
    before = sys.stdout, sys.stderr
    if before == (sys.__stdout__, sys.__stderr__):  # else somebody captures what is printed
        sys.stdout = _stream(1, before[0], forgiving=False)
        sys.stderr = _stream(2, before[1], forgiving=True)
    try:
        yield
        sys.stdout.flush()
    finally:
        sys.stdout, sys.stderr = before


def until_nobody_reads(values: Iterable[T]) -> Iterator[T]:
    """Yield values while standard output has a reader."""
    for value in values:
        yield value
        if nobody_reads():
            return


def nobody_reads() -> bool:
    """Tell whether the reader of standard output has gone."""
    raw = getattr(getattr(sys.stdout, "buffer", None), "raw", None)
    return isinstance(raw, _Raw) and raw.broken


def _occupy() -> None:
    """Open the descriptors 0 to 2 where they are closed, lest a file of ours become one of them.

    Standard output is opened such that it cannot be written.
    """
    for wanted, mode in ((0, os.O_RDONLY), (1, os.O_RDONLY), (2, os.O_WRONLY)):
        try:
            os.fstat(wanted)
        except OSError:
            os.dup2(opened := os.open(os.devnull, mode), wanted)
            if opened != wanted:
                os.close(opened)


def _stream(descriptor: int, before: io.TextIOBase | None, *, forgiving: bool) -> io.TextIOWrapper:
    raw = _Raw(descriptor, forgiving=forgiving)
    return io.TextIOWrapper(
        io.BufferedWriter(raw),
        encoding=getattr(before, "encoding", "utf-8"),
        errors="backslashreplace",
        line_buffering=forgiving or raw.isatty(),
    )
