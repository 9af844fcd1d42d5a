"""Check what is kept in an index beside its store: probes, their scores, the map, near pairs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from indexer.store.catalog.probe_scores import load_scores
from indexer.store.durable import read_sealed_json
from indexer.store.folder import IndexFolder
from indexer.store.lock import WriterLock
from indexer.store.maintenance.examination import Examination
from indexer.store.maintenance.quarantine import quarantine
from probes.storage import CARD, EVALUATION, SCORES, load_probe
from search.duplicates.near_pairs import REMEMBERED
from search.projection import read


@dataclass(frozen=True)
class _KeptFile:
    """Files that count together, and how they are read; ``loses`` is nothing of a cache."""

    files: tuple[Path, ...]
    read: Callable[[], object]
    loses: str = ""


def check_kept(index: Path, result: Examination, *, repair: bool) -> None:
    """Add to ``result`` what is damaged; where ``repair``, take it out of the way.

    Caches are deleted, all else goes to quarantine.
    """
    folder = IndexFolder(index)
    damaged = [one for one in _all_kept(folder) if _is_damaged(one, result)]
    if repair and damaged:
        with WriterLock(index):
            for one in damaged:
                _take_away(folder, one, result)
        result.count_quarantine(folder)


def _all_kept(folder: IndexFolder) -> Iterator[_KeptFile]:
    for space in sorted(folder.spaces.glob("*")):
        path = folder.space(space.name).map
        yield _KeptFile((path,), partial(read, path))
    path = folder.probes / REMEMBERED
    yield _KeptFile((path,), partial(read_sealed_json, path))
    for probe in sorted(path for path in folder.probes.glob("*") if path.is_dir()):
        yield from _of_probe(probe)


def _of_probe(probe: Path) -> Iterator[_KeptFile]:
    name = probe.name
    if (probe / CARD).exists():
        yield _KeptFile(
            (*probe.glob("*.safetensors"), probe / CARD),
            partial(load_probe, probe),
            f"the probe {name}; dfindex probe train {name} makes it again",
        )
    yield _KeptFile(
        tuple(probe.glob(f"{SCORES}.*")),
        partial(load_scores, probe),
        f"the scores of {name}; dfindex probe apply {name} makes them again",
    )
    yield _KeptFile(
        (probe / EVALUATION,),
        partial(read_sealed_json, probe / EVALUATION),
        f"the evaluation of {name}; dfindex probe evaluate {name} makes it again",
    )


def _is_damaged(kept: _KeptFile, result: Examination) -> bool:
    there = [file for file in kept.files if file.exists()]
    before = len(result.findings)
    if there:
        with result.noting(there[0], kept.loses):
            kept.read()
    return any(not one.unreadable for one in result.findings[before:])


def _take_away(folder: IndexFolder, kept: _KeptFile, result: Examination) -> None:
    there = [file for file in kept.files if file.exists()]
    if kept.loses:
        result.actions.append(f"moved {there[0]} to quarantine {quarantine(folder, there)}")
        return
    for file in there:
        file.unlink()
        result.actions.append(f"deleted {file}, which is made again when it is needed")
