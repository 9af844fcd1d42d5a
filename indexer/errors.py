"""Every error dfindex raises on purpose.

::

    DfindexError                  something the user can read and act on; exit code 3
    ├── UsageError                an argument that makes no sense; exit code 2
    │   └── FilterError           a --where expression that cannot be used
    ├── MediaError                one media file that cannot be indexed: a result, not a crash
    ├── UnavailableError          a sample whose file is not there as it was indexed
    ├── CorpusGoneError           a corpus that is empty or gone where it was expected
    ├── EncoderError              an encoder that cannot be found, loaded or run
    │   ├── WeightsError          a weight file that is not what its specification says
    │   └── SpaceMismatchError    vectors of one encoder offered to another's space
    └── StoreError                the index on disk
        ├── IndexNotFoundError    no index where one was expected
        ├── IndexLockedError      another process is writing
        ├── IndexDamagedError     a checksum does not match
        └── IndexFormatError      written by a newer, or by no, version of dfindex

A message says what was expected, what was got, and the way out, in one line.
"""

from __future__ import annotations

from indexer.types import Absence, Reason


class DfindexError(Exception):
    """The root of the tree."""


class UsageError(DfindexError):
    """An argument that makes no sense."""


class FilterError(UsageError):
    """A filter expression that cannot be parsed or is not allowed."""


class MediaError(DfindexError):
    """One media file that cannot be indexed, with the reason class it is listed under."""

    def __init__(self, reason: Reason, message: str) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message


class UnavailableError(DfindexError):
    """A sample whose file is not there any more as it was indexed, with what became of it."""

    def __init__(self, why: Absence, message: str) -> None:
        super().__init__(message)
        self.why = why


class CorpusGoneError(DfindexError):
    """A corpus that is empty or gone, of which an index knows files."""


class EncoderError(DfindexError):
    """An encoder that cannot be found, loaded or run."""


class WeightsError(EncoderError):
    """A weight file that is not what its specification says."""


class SpaceMismatchError(EncoderError):
    """Vectors of one encoder offered to a space made by another."""


class StoreError(DfindexError):
    """The index on disk cannot be used as asked."""


class IndexNotFoundError(StoreError):
    """No index where one was expected."""


class IndexLockedError(StoreError):
    """Another process is writing to the index."""


class IndexDamagedError(StoreError):
    """A checksum does not match: part of the index is damaged."""


class IndexFormatError(StoreError):
    """The index was written by a newer version of dfindex, or by another program."""
