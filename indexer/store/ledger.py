"""What of the segments is alive, kept beside the catalog.

Should both copies of the catalog be lost, nothing that was removed, replaced or dropped comes back
with the segments.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass

from indexer.errors import IndexDamagedError
from indexer.store.catalog.catalog import Catalog
from indexer.store.durable import is_there, read_sealed_json, write_sealed_json
from indexer.store.folder import IndexFolder


@dataclass(frozen=True, kw_only=True)
class Ledger:
    """The segments of a generation, the ids in them that are dead, and the next ids."""

    generation: int
    next_id: int
    next_segment: int
    segments: tuple[int, ...]
    dead: tuple[int, ...]

    @classmethod
    def of(cls, catalog: Catalog) -> Ledger:
        """Take it from a catalog."""
        return cls(
            generation=catalog.generation,
            next_id=catalog.number("next_id"),
            next_segment=catalog.number("next_segment"),
            segments=tuple(record.id for record in catalog.segments()),
            dead=tuple(sorted(catalog.tombstones().tolist())),
        )


def keep_ledger(folder: IndexFolder, ledger: Ledger) -> None:
    """Write the ledger of an index."""
    write_sealed_json(folder.ledger, {"ledger": asdict(ledger)})


def kept_ledger(folder: IndexFolder) -> Ledger | None:
    """Read the ledger of an index, None where an older dfindex kept none.

    Raise IndexDamagedError where it is not what was written.
    """
    try:
        value = read_sealed_json(folder.ledger)["ledger"]
    except IndexDamagedError:
        if is_there(folder.ledger):
            raise
        return None
    lists = {name: tuple(value[name]) for name in ("segments", "dead")}
    return Ledger(**{**value, **lists})


def last_generation(folder: IndexFolder) -> int:
    """Return the generation of the ledger, 0 where there is none that can be trusted."""
    try:
        ledger = kept_ledger(folder)
    except IndexDamagedError:
        return 0
    return 0 if ledger is None else ledger.generation
