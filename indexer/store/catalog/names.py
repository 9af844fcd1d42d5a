"""What people call a file by: a path, a SHA-256, the id of a sample."""

from __future__ import annotations

import os
from collections.abc import Iterable

from indexer.corpus import absolute, as_text
from indexer.store.catalog.catalog import Catalog
from indexer.types import sample_id


def files_named(catalog: Catalog, name: str) -> list[bytes]:
    """Return the paths that a name stands for: a file, all below a folder, a content, a sample."""
    raw = absolute(name)
    rows = catalog.query(
        """
        SELECT raw FROM paths WHERE raw = $raw OR path = $name OR sha256 = lower($name)
           OR starts_with(hex(raw), $below)
           OR sha256 IN (SELECT sha256 FROM samples WHERE id = $id)
        """,
        {"raw": raw, "below": (raw.rstrip(b"/") + b"/").hex().upper(), **_names(name)},
    )
    return [bytes(found) for (found,) in rows]


def contents_named(catalog: Catalog, name: str) -> list[str]:
    """Return the SHA-256 of every indexed content that a path, a SHA-256 or an id names."""
    rows = catalog.query(
        """
        SELECT DISTINCT sha256 FROM paths WHERE state = 'indexed' AND (
          raw = $raw OR path = $name OR sha256 = lower($name)
          OR sha256 IN (SELECT sha256 FROM samples WHERE id = $id))
        """,
        {"raw": absolute(name), **_names(name)},
    )
    return [sha256 for (sha256,) in rows]


def contents_at(catalog: Catalog, paths: Iterable[bytes]) -> dict[bytes, str]:
    """Return the SHA-256 of what is indexed at those of some paths where something is."""
    rows = catalog.query(
        "SELECT raw, sha256 FROM paths WHERE state = 'indexed' "
        "AND raw IN (SELECT unnest($raws::BLOB[]))",
        {"raws": list(paths)},
    )
    return {bytes(raw): sha256 for raw, sha256 in rows}


def contents_by_path(catalog: Catalog) -> list[tuple[str, str]]:
    """Return every indexed path as people read it with its content's SHA-256, by path."""
    return [
        (path, sha256)
        for path, sha256 in catalog.query(
            "SELECT path, sha256 FROM paths WHERE state = 'indexed' ORDER BY path"
        )
    ]


def _names(name: str) -> dict[str, object]:
    """Return a name as the catalog may know it: the text of a path, and an id."""
    return {"name": as_text(os.fsencode(name)), "id": sample_id(name)}
