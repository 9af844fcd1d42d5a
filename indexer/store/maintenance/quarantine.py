"""Files taken out of an index: each time in a folder of its own, by the place they had.

Nothing in it is read by a search; `take_back` puts files where they were, `empty` deletes them.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path

from indexer.errors import UsageError
from indexer.store.durable import sync_folder
from indexer.store.folder import IndexFolder


@dataclass(frozen=True, kw_only=True)
class Quarantined:
    """Files that were taken out at once: their number, and where each lay in the index."""

    number: int
    files: tuple[str, ...]


def quarantine(folder: IndexFolder, paths: Sequence[Path]) -> int:
    """Move files of the index into quarantine; return the number they got there."""
    number = 1 + max((one.number for one in quarantined(folder)), default=0)
    for path in paths:
        target = _place(folder, number) / path.relative_to(folder.path)
        target.parent.mkdir(parents=True, exist_ok=True)
        path.replace(target)
        for parent in (target.parent, *target.parent.parents):
            sync_folder(parent)
            if parent == folder.path:
                break
    return number


def quarantined(folder: IndexFolder) -> list[Quarantined]:
    """Return what lies in quarantine, the oldest first."""
    found = []
    for path in folder.quarantine.glob("*"):
        if path.is_dir() and path.name.isdigit():
            files = [str(one.relative_to(path)) for one in path.rglob("*") if not one.is_dir()]
            found.append(Quarantined(number=int(path.name), files=tuple(sorted(files))))
    return sorted(found, key=lambda one: one.number)


def take_back(folder: IndexFolder, number: int) -> list[Path]:
    """Move what was quarantined under a number to where it was; return where that is.

    Raise UsageError where there is no such number, or something else lies there by now.
    """
    one = next((one for one in quarantined(folder) if one.number == number), None)
    if one is None:
        known = ", ".join(str(one.number) for one in quarantined(folder)) or "nothing"
        raise UsageError(f"expected a number in quarantine, got {number}; there is {known}")
    places = [folder.path / name for name in one.files]
    for place in places:
        if place.exists():
            raise UsageError(
                f"expected nothing at {place}, where a file of quarantine {number} was; "
                "move away what lies there by now"
            )
    for name, place in zip(one.files, places, strict=True):
        place.parent.mkdir(parents=True, exist_ok=True)
        (_place(folder, number) / name).replace(place)
        sync_folder(place.parent)
    shutil.rmtree(_place(folder, number))
    return places


def empty(folder: IndexFolder) -> int:
    """Delete all that lies in quarantine; return how many files that were."""
    files = [path for path in folder.quarantine.rglob("*") if not path.is_dir()]
    if folder.quarantine.exists():
        shutil.rmtree(folder.quarantine)
        sync_folder(folder.path)
    return len(files)


def sort_in(folder: IndexFolder) -> None:
    """Bring what an older dfindex quarantined, in one folder with long names, into this form."""
    old = [path for path in folder.quarantine.glob("*") if not path.is_dir()]
    first = 1 + max((one.number for one in quarantined(folder)), default=0)
    for path in sorted(old):
        name = re.sub(r"\.\d+$", "", path.name).replace("__", "/")
        places = (_place(folder, number) / name for number in count(first))
        target = next(place for place in places if not place.exists())
        target.parent.mkdir(parents=True, exist_ok=True)
        path.replace(target)


def _place(folder: IndexFolder, number: int) -> Path:
    return folder.quarantine / f"{number:06d}"
