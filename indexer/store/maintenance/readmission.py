"""Take files back out of quarantine, and segments among them into the catalog."""

from __future__ import annotations

from indexer.errors import IndexDamagedError, UsageError
from indexer.store.catalog.changes import WritableCatalog
from indexer.store.folder import IndexFolder
from indexer.store.maintenance.adoption import Buried, adopt
from indexer.store.maintenance.quarantine import quarantine, take_back


def readmit(folder: IndexFolder, catalog: WritableCatalog, number: int) -> list[str]:
    """Put what was quarantined under a number back in its place; say what was done.

    Contents that were removed since stay so. Raise UsageError, with all in quarantine as before,
    where a segment is damaged still, or holds what the index has by now.
    """
    places = take_back(folder, number)
    segments = sorted({path.with_suffix("") for path in places if path.parent.name == "segments"})
    done = [f"put {path} back" for path in places]
    while segments:
        segment = segments[0]
        try:
            space, id_ = segment.parent.parent.name, int(segment.name)
            rows = adopt(folder, space, id_, catalog, _removed(catalog))
        except IndexDamagedError as error:
            again = quarantine(folder, [one for one in places if one.with_suffix("") in segments])
            raise UsageError(f"{error}; it lies in quarantine {again} now") from error
        done.append(f"adopted the segment {id_} with {rows} embeddings")
        segments.remove(segment)
    return done


def _removed(catalog: WritableCatalog) -> Buried:
    rows = catalog.query("SELECT DISTINCT sha256 FROM removals WHERE sha256 IS NOT NULL")
    removed = {sha256 for (sha256,) in rows}
    return lambda row: row.sha256 in removed
