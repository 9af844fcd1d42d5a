"""Answers to every file of a folder, one after the other."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from indexer.corpus import walk
from indexer.errors import MediaError
from indexer.types import Reason

if TYPE_CHECKING:
    from dfindex.index import Index
    from search.results import AnyResult


@dataclass(frozen=True, kw_only=True)
class Unanswered:
    """A file that could not be searched for, and why."""

    path: str
    reason: str
    message: str

    def to_json(self) -> dict[str, Any]:
        """Return the file and the reason as plain JSON values."""
        error = {"reason": self.reason, "message": self.message}
        return {"query": {"path": self.path}, "error": error}


def answers(
    index: Index, folder: str | Path, k: int = 10, **options: Any
) -> Iterator[AnyResult | Unanswered]:
    """Yield the answer for each file below a folder, in the order of `walk`, one after the other.

    The index's own folder is left out. What cannot be read is yielded with its reason.
    """
    for file in walk([Path(folder)], exclude=[index.path]):
        path = Path(os.fsdecode(file.raw))
        try:
            if file.problem is not None:
                raise file.problem
            if options.get("max_fpr") is not None and index.is_video(path):
                raise MediaError(Reason.UNSUPPORTED, "--max-fpr is for pictures; use --min-score")
            found: AnyResult | Unanswered = index.search(path, k, **options)
        except MediaError as error:
            found = Unanswered(path=str(path), reason=error.reason.value, message=error.message)
        yield found
