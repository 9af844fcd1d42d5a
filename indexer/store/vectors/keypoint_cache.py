"""Keypoint lists on disk: parts that are written once, joined now and then, and never altered.

They hold nothing that the segments do not, so what is missing or damaged is made anew. Samples are
put into a part of their own when there are `WORTH` of them; parts of about one size are joined
when there are `FEW` (log-structured merge: O'Neil et al., 1996), up to `FULL` samples, which bounds
what a commit has to write.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from indexer.errors import IndexDamagedError, StoreError
from indexer.store.durable import (
    TEMPORARY_SUFFIX,
    file_sha256,
    head_sha256,
    read_sealed_json,
    replace_file,
    sync_file,
    trusted,
    unreadable,
    write_sealed_json,
)
from indexer.store.vectors.keypoint_lists import ENTRY_BYTES, KeypointLists
from indexer.types import Int64, UInt8

WORTH = 1024
FINE = 1 << 14  # samples from which lists are of twigs, which hold a few dozen keypoints each then
PART = 4096  # samples at most that are in no part while a build goes on
FEW = 4  # of one level; see `_worth_joining`
FULL = 1 << 16
_WORN = 8  # a part is made anew where more than an eighth of it is not live any more
_LOOKS = 5  # at the folder, where a writer joins parts meanwhile

Rows = Callable[[Int64], Iterable[tuple[Int64, UInt8]]]


@dataclass(frozen=True, kw_only=True)
class PartInfo:
    """What a part holds: ``head_sha256`` is of what comes before its first list."""

    number: int
    samples: int
    keypoints: int
    bytes: int
    head_sha256: str
    lists_sha256: str
    ids_sha256: str

    @property
    def head_bytes(self) -> int:
        """How long the head is."""
        return self.bytes - self.keypoints * ENTRY_BYTES


class KeypointCache:
    """The folder of keypoint lists of one space; ``worth`` samples are worth a part."""

    def __init__(
        self, folder: Path, *, worth: int = WORTH, fine: int = FINE, full: int = FULL
    ) -> None:
        self._folder = folder
        self._worth, self._fine, self._full = worth, fine, full

    def parts(self, live: Int64) -> list[KeypointLists]:
        """Open, mapped, what holds any of the ``live`` samples; none of them is in two parts."""
        for _ in range(_LOOKS):
            infos = self._infos()
            usable = self._usable(infos, live)
            try:
                found = [KeypointLists.load(self._lists(info), ids) for info, ids in usable]
            except IndexDamagedError:
                found = []
            if self._infos() == infos:
                return found
        return []  # a writer joins them all the time

    def refresh(self, live: Int64, rows: Rows, *, thorough: bool = False) -> None:
        """Make lists of ``live`` samples that are in none, and join what is worth it.

        ``rows`` yields ids and rows of `Keypoints` of samples. With ``thorough`` no keypoints are
        kept of samples that are not live.
        """
        usable = self._usable(self._infos(), live)
        share = 0 if thorough else 1 / _WORN
        kept = [info for info, ids in usable if _dead(ids, live) <= share * len(ids)]
        self._sweep(kept)
        held = [ids for info, ids in usable if info in kept]
        missing = np.setdiff1d(live, np.concatenate([np.empty(0, np.int64), *held]))
        if len(missing) >= self._worth:
            for start in range(0, len(missing), self._full):
                some = missing[start : start + self._full]
                lists = KeypointLists.build(rows(some), fine=len(some) >= self._fine)
                kept.append(self._write(lists.holding(some)))
        while group := self._worth_joining(kept):
            kept = [one for one in kept if one not in group]
            damaged = [one for one in group if not self._is_intact(one)]
            if damaged:  # what they held is read from the segments again
                self._sweep([one for one in (*kept, *group) if one not in damaged])
                self.refresh(live, rows, thorough=thorough)
                return
            kept.append(self._write(self._joined(group)))
            self._sweep(kept)

    def drop(self) -> None:
        """Delete all lists."""
        for path in self._folder.glob("*"):
            path.unlink()

    def problems(self) -> list[str]:
        """Return what is wrong with any part; raise StoreError where one cannot be read."""
        found = []
        for path in sorted(self._folder.glob("*.json")):
            try:
                info = _info(path)
                self._ids(info)
                if not self._is_intact(info):
                    found.append(f"{self._lists(info)} does not match its checksum")
            except IndexDamagedError as error:
                found.append(str(error))
        return found

    def _usable(self, infos: Sequence[PartInfo], live: Int64) -> list[tuple[PartInfo, Int64]]:
        """Return the intact parts that hold what no larger one does, with their samples' ids."""
        found: list[tuple[PartInfo, Int64]] = []
        held = np.empty(0, dtype=np.int64)
        for info in infos:
            try:
                ids = self._ids(info)
                self._check_head(info)
            except StoreError:
                continue  # what it held is read from the segments
            alive = np.intersect1d(ids, live)
            if len(alive) and not np.isin(alive, held).any():
                held = np.concatenate([held, alive])
                found.append((info, ids))
        return found

    def _ids(self, info: PartInfo) -> Int64:
        path = self._lists(info).with_suffix(".ids")
        with unreadable(path):
            if file_sha256(path) != info.ids_sha256:
                raise IndexDamagedError(f"{path} does not match its checksum")
            return np.fromfile(path, dtype="<i8").astype(np.int64)

    def _check_head(self, info: PartInfo) -> None:
        """Raise IndexDamagedError where a file is not as long, or does not begin, as it should."""
        path = self._lists(info)
        with unreadable(path):
            fits = path.stat().st_size == info.bytes
            if not fits or head_sha256(path, info.head_bytes) != info.head_sha256:
                raise IndexDamagedError(f"{path} does not match its checksum")

    def _is_intact(self, info: PartInfo) -> bool:
        path = self._lists(info)
        with unreadable(path):
            return file_sha256(path) == info.lists_sha256

    def _joined(self, group: Sequence[PartInfo]) -> KeypointLists:
        parts = [
            KeypointLists.load(self._lists(one), self._ids(one), mapped=False) for one in group
        ]
        samples = sum(one.samples for one in group)
        return KeypointLists.joined(parts, fine=samples >= self._fine)

    def _write(self, lists: KeypointLists) -> PartInfo:
        self._folder.mkdir(parents=True, exist_ok=True)
        number = 1 + max((int(path.stem) for path in self._folder.glob("*.json")), default=0)
        path = self._folder / f"{number:012d}.lists"
        temporary = path.with_name(path.name + TEMPORARY_SUFFIX)
        lists.save(temporary)
        sync_file(temporary)
        size, head = temporary.stat().st_size, len(lists) * ENTRY_BYTES
        ids = lists.ids.astype("<i8").tobytes()
        info = PartInfo(
            number=number,
            samples=len(lists.ids),
            keypoints=len(lists),
            bytes=size,
            head_sha256=head_sha256(temporary, size - head),
            lists_sha256=file_sha256(temporary),
            ids_sha256=hashlib.sha256(ids).hexdigest(),
        )
        temporary.replace(path)
        replace_file(path.with_suffix(".ids"), lambda file: file.write(ids))
        write_sealed_json(path.with_suffix(".json"), asdict(info))
        return info

    def _infos(self) -> list[PartInfo]:
        """Return what is known of every part that can be trusted, the largest first."""
        found = trusted(sorted(self._folder.glob("*.json")), _info)
        return sorted(found, key=lambda one: (-one.samples, one.number))

    def _sweep(self, kept: Sequence[PartInfo]) -> None:
        """Delete what belongs to no part that is kept, what names a part first."""
        numbers = {one.number for one in kept}
        for path in sorted(self._folder.glob("*"), key=lambda one: (one.suffix != ".json", one)):
            if not path.stem.isdecimal() or int(path.stem) not in numbers:
                path.unlink()

    def _worth_joining(self, parts: Sequence[PartInfo]) -> list[PartInfo]:
        levels: dict[int, list[PartInfo]] = defaultdict(list)
        for one in sorted(parts, key=lambda one: one.number):
            if one.samples < self._full:
                levels[(one.samples // self._worth).bit_length() // 2].append(one)
        groups = (group[:FEW] for _, group in sorted(levels.items()) if len(group) >= FEW)
        fitting = (one for one in groups if sum(part.samples for part in one) <= self._full)
        return next(fitting, [])

    def _lists(self, info: PartInfo) -> Path:
        return self._folder / f"{info.number:012d}.lists"


def _dead(ids: Int64, live: Int64) -> int:
    return int((~np.isin(ids, live)).sum())


def _info(path: Path) -> PartInfo:
    try:
        return PartInfo(**read_sealed_json(path))
    except TypeError as error:
        raise IndexDamagedError(f"{path} does not describe keypoint lists") from error
