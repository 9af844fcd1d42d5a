"""Findings about which way an encoder's head points, kept by the space they were made for."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from indexer.store.catalog.catalog import Catalog
from indexer.store.catalog.changes import WritableCatalog


class Orientation(StrEnum):
    """What labelled pictures say about a head's declared direction."""

    AS_DECLARED = "as declared"
    INVERTED = "inverted"
    UNDETERMINED = "undetermined"


@dataclass(frozen=True, kw_only=True)
class OrientationFinding:
    """A check on labelled pictures: the AUC of the declared direction, and on how many."""

    finding: Orientation
    auc: float
    pictures: int


def remember_orientation(catalog: WritableCatalog, space: str, found: OrientationFinding) -> None:
    """Keep a finding for a space's fingerprint; an older one is replaced."""
    with catalog.transaction():
        catalog.query(
            "INSERT OR REPLACE INTO orientations VALUES (?, ?, ?, ?, now()::TIMESTAMP)",
            [space, found.finding.value, found.auc, found.pictures],
        )


def remembered_orientation(catalog: Catalog, space: str) -> OrientationFinding | None:
    """Return the last finding about a space, or None."""
    rows = catalog.query("SELECT finding, auc, pictures FROM orientations WHERE space = ?", [space])
    if not rows:
        return None
    finding, auc, pictures = rows[0]
    return OrientationFinding(finding=Orientation(finding), auc=auc, pictures=pictures)
