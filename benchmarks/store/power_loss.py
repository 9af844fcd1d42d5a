"""What a loss of power leaves of a folder: what was synced, under the names that were synced.

A model stricter than most file systems: a file has the bytes of its last sync, or none; a name is
kept from the sync of its folder, or of the file that got it first.
"""

from __future__ import annotations

import shutil
from pathlib import Path


class Disk:
    """A folder as it was when nothing was left to be synced, and the log of all syncs since."""

    def __init__(self, folder: Path, shadow: Path) -> None:
        self._folder, self._shadow = folder, shadow
        self._copy = shadow / "copy"
        shutil.copytree(folder, self._copy)
        self._names: dict[str, dict[str, tuple[int, bool]]] = {}
        self._bytes: dict[int, Path] = {}
        for path in (folder, *folder.rglob("*")):
            if path.is_dir():
                self._names[str(path)] = {
                    one.name: (one.lstat().st_ino, one.is_dir()) for one in path.iterdir()
                }
            else:
                self._bytes[path.lstat().st_ino] = self._copy / path.relative_to(folder)

    def lose(self) -> None:
        """Put the folder into the state that a loss of power leaves."""
        self._replay()
        shutil.rmtree(self._folder)
        self._restore(str(self._folder))

    def _replay(self) -> None:
        log = self._shadow / "log"
        lines = log.read_text().splitlines() if log.exists() else []
        folder = ""
        for line in lines:
            kind, *rest = line.split("\t")
            if kind == "D":
                folder = rest[0]
                self._names[folder] = {}
            elif kind == "E":
                self._names[folder][rest[2]] = (int(rest[0]), rest[1] == "1")
            elif kind == "F":
                self._synced(int(rest[0]), Path(rest[1]))

    def _synced(self, number: int, path: Path) -> None:
        self._bytes[number] = self._shadow / str(number)
        self._names.setdefault(str(path.parent), {}).setdefault(path.name, (number, False))
        for folder in path.parents:
            if folder == self._folder:
                break
            above = self._names.setdefault(str(folder.parent), {})
            above.setdefault(folder.name, (0, True))

    def _restore(self, folder: str) -> None:
        Path(folder).mkdir()
        for name, (number, is_folder) in self._names.get(folder, {}).items():
            path = Path(folder) / name
            if is_folder:
                self._restore(str(path))
            elif number in self._bytes:
                shutil.copyfile(self._bytes[number], path)
            else:
                path.touch()
