"""A probe's scores of an index's samples, kept beside the probe; filters read them."""

from __future__ import annotations

import hashlib
import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from indexer.errors import FilterError, IndexDamagedError
from indexer.store.catalog.catalog import Catalog
from indexer.store.durable import (
    file_sha256,
    read_sealed_json,
    replace_file,
    unreadable,
    write_sealed_json,
)
from indexer.types import FloatArray, Int64

ScoresStamp = tuple[tuple[str, int], ...]

_VALUES, _SEAL = "scores.npz", "scores.json"


@dataclass(frozen=True, kw_only=True)
class ProbeScores:
    """Scores (n,) float64 of samples (n,) int64, and the spaces whose samples were scored."""

    ids: Int64
    scores: FloatArray
    spaces: tuple[str, ...]


def probe_folder(index: Path, name: str) -> Path:
    """Return the folder of a probe in an index folder."""
    return index / "probes" / name


def save_scores(folder: Path, scores: ProbeScores) -> None:
    """Write the scores; the seal comes last, so that scores with one are whole."""
    buffer = io.BytesIO()
    np.savez(buffer, ids=scores.ids, scores=scores.scores)
    replace_file(folder / _VALUES, lambda file: file.write(buffer.getvalue()))
    seal = {"sha256": file_sha256(folder / _VALUES), "spaces": list(scores.spaces)}
    write_sealed_json(folder / _SEAL, seal)


def load_scores(folder: Path) -> ProbeScores | None:
    """Read the scores, None where there are none; raise StoreError where they are damaged."""
    if not (folder / _SEAL).exists():
        return None
    seal = read_sealed_json(folder / _SEAL)
    path = folder / _VALUES
    with unreadable(path):
        data = path.read_bytes()
    if hashlib.sha256(data).hexdigest() != seal["sha256"]:
        raise _damaged(path)
    with np.load(io.BytesIO(data), allow_pickle=False) as values:
        return ProbeScores(ids=values["ids"], scores=values["scores"], spaces=tuple(seal["spaces"]))


def scores_stamp(index: Path) -> ScoresStamp:
    """Return what changes whenever a probe of an index folder is applied."""
    seals = sorted((index / "probes").glob(f"*/{_SEAL}"))
    return tuple((path.parent.name, path.stat().st_mtime_ns) for path in seals)


def attach_scores(catalog: Catalog, name: str) -> None:
    """Let conditions over samples use a probe's scores, as `scores_column` names them.

    Raise FilterError where the probe has no scores, or not of all samples that are there now.
    """
    folder = probe_folder(catalog.index, name)
    kept = load_scores(folder)
    if kept is None:
        raise FilterError(
            f"the probe {name!r} has no scores in this index; run dfindex probe apply {name}"
            if folder.is_dir()
            else f"there is no probe {name!r} in this index; dfindex probe list shows them"
        )
    _check_complete(catalog, name, kept)
    catalog.query(
        f"CREATE OR REPLACE TEMP TABLE {_table(name)} AS SELECT "
        "unnest($ids::BIGINT[]) AS sample_id, unnest($scores::DOUBLE[]) AS score",
        {"ids": kept.ids.tolist(), "scores": kept.scores.tolist()},
    )


def scores_column(name: str) -> str:
    """Return SQL for a probe's score of the sample whose ``id`` is in scope."""
    return f"(SELECT score FROM temp.main.{_table(name)} WHERE sample_id = id)"


def _table(name: str) -> str:
    # SQL's names make no difference between small and capital letters, probes' names do.
    return f"probe_{hashlib.sha256(name.encode()).hexdigest()[:16]}"


def _check_complete(catalog: Catalog, name: str, kept: ProbeScores) -> None:
    live: Int64 = np.zeros(0, dtype=np.int64)
    for number, space in enumerate(kept.spaces):
        ids = catalog.locate(space).ids
        live = np.intersect1d(live, ids) if number else ids
    unscored = len(np.setdiff1d(live, kept.ids))
    if unscored:
        raise FilterError(
            f"the probe {name!r} has scored {len(kept.ids)} samples, {unscored} came later; "
            f"run dfindex probe apply {name} again"
        )


def _damaged(path: Path) -> IndexDamagedError:
    return IndexDamagedError(
        f"{path} does not match its checksum; run dfindex probe apply {path.parent.name} again"
    )
