"""Tell files that were deleted from a disk that is not there: nobody deletes a whole root."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from indexer.corpus import as_text
from indexer.store.catalog.catalog import Catalog


@dataclass(frozen=True)
class Vanished:
    """A folder that is empty or gone, and how many indexed files there were below it."""

    folder: str
    files: int


def vanished(catalog: Catalog, missing: Sequence[bytes]) -> list[Vanished]:
    """Return folders of ``missing`` files that look as if their disk were not mounted.

    These are roots of which nothing is left, what of a root lay on a device of which nothing is
    left, and folders that stand there empty. The catalog must hold the scan that missed them.
    """
    found = dict(_lost(catalog, missing))
    for folder, files in _left_empty(missing).items():
        found.setdefault(folder, files)
    return [Vanished(as_text(folder), files) for folder, files in sorted(found.items())]


def _lost(catalog: Catalog, missing: Sequence[bytes]) -> Iterator[tuple[bytes, int]]:
    """Yield where roots, or parts of them on one device, were whole among the missing files."""
    groups = catalog.query(
        "SELECT root, device, list(raw) FROM paths "
        "WHERE raw IN (SELECT unnest($raws::BLOB[])) GROUP BY root, device",
        {"raws": list(missing)},
    )
    for root, device, raws in groups:
        if not _has_left(catalog, root, device):
            yield os.path.commonpath([os.path.dirname(bytes(raw)) for raw in raws]), len(raws)


def _has_left(catalog: Catalog, root: int, device: int | None) -> bool:
    """Tell whether the scan saw any file, known or new, of a root's part on one device."""
    seen = catalog.query(
        """
        SELECT count(*) FROM scan s LEFT JOIN paths p ON p.raw = s.raw
        JOIN places l ON l.root = $root
        WHERE s.reason IS NULL AND (
            (p.root = $root AND p.device IS NOT DISTINCT FROM $device)
            OR (starts_with(hex(s.raw), hex(l.prefix)) AND s.device = coalesce($device, s.device)))
        """,
        {"root": root, "device": device},
    )
    return bool(seen[0][0])


def _left_empty(missing: Sequence[bytes]) -> dict[bytes, int]:
    """Return folders that are there and hold nothing, with how many of the files lay below."""
    found: dict[bytes, int] = {}
    for raw in missing:
        folder = os.path.dirname(raw)
        while not os.path.isdir(folder) and folder not in (b"/", b""):
            folder = os.path.dirname(folder)
        if folder in found or not os.listdir(folder):
            found[folder] = found.get(folder, 0) + 1
    return found
