"""Measure a search: its time in parts, verified and not, and what negatives are taken for."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from benchmarks.copies.attacks import ATTACKS
from benchmarks.copies.queries import QUERY_QUALITY, Photographs, choose, queries
from benchmarks.machine import Machine
from indexer.build import BuildOptions, build
from indexer.errors import UsageError
from indexer.media.files import Limits
from indexer.store.reader import IndexReader
from indexer.store.writer import IndexWriter
from indexer.types import Encoder
from search.options import SearchOptions
from search.results import PictureResult
from search.searcher import Searcher
from search.verdict import COPIES

PACKAGES = ("dfindex", "numpy", "opencv-python-headless", "torch", "faiss-cpu")
_TOLD_EVERY = 50  # non-matching pictures
PARTS = ("embed", "retrieve", "verify", "total")


@dataclass(frozen=True, kw_only=True)
class Latency:
    """Milliseconds of each part of a search: the median and the 95th percentile."""

    median: dict[str, float]
    p95: dict[str, float]

    @classmethod
    def of(cls, results: Sequence[PictureResult]) -> Latency:
        """Gather the times of some searches."""
        times = {part: [getattr(one.timing_ms, part) for one in results] for part in PARTS}
        return cls(
            median={part: float(np.median(values)) for part, values in times.items()},
            p95={part: float(np.quantile(values, 0.95)) for part, values in times.items()},
        )


@dataclass(frozen=True, kw_only=True)
class SearchReport:
    """What searches cost and found.

    ``found_first`` is the share of attacked pictures whose original was the first hit, with a
    verdict of a copy. ``strangers`` pictures that are not in the index were searched for too;
    ``false_findings`` are those that were called copies, as (query, sample) paths.
    """

    encoder: str
    precision: str
    pictures: int
    queries: int
    verified: Latency
    unverified: Latency
    found_first: float
    strangers: int
    false_findings: list[tuple[str, str]]
    machine: Machine

    def to_json(self) -> dict[str, Any]:
        """Return the report as plain JSON values."""
        return asdict(self)


def run(
    photos: Path,
    encoder: Encoder,
    *,
    pictures: int,
    rounds: int,
    strangers: int,
    seed: int,
    tell: Callable[[str], None] = lambda step: None,
) -> SearchReport:
    """Index photographs, search for attacked ones and for non-matching ones.

    Every attack is made of ``rounds`` pictures. Non-matching ones (``strangers``) are photographs
    that are not in the index; raise UsageError where there are too few.
    """
    chosen = choose(
        photos, references=pictures, originals=rounds, distractors=max(2, rounds), seed=seed
    )
    unseen = _unseen(photos, chosen, strangers, seed) if strangers else []
    with tempfile.TemporaryDirectory(prefix="dfindex-bench-") as folder:
        home = Path(folder)
        tell(f"indexing {len(chosen.references)} photographs")
        _build(home / "index", encoder, chosen.references)
        with IndexReader(home / "index") as reader:
            searcher = Searcher(reader, reader.space(), encoder)
            searcher.warm()
            asked = list(_attacked(chosen, home, seed))
            searcher.search(asked[0][0])  # what is read once is not on the clock
            tell(f"{len(asked)} searches, verified and not")
            verified = [searcher.search(query) for query, _ in asked]
            unverified = [searcher.search(query, SearchOptions(verify=False)) for query, _ in asked]
            tell(f"{len(unseen)} non-matching pictures")
            wrong: list[tuple[str, str]] = []
            for done, path in enumerate(unseen, start=1):
                wrong += _taken_for_copies(searcher, path)
                if done % _TOLD_EVERY == 0:
                    tell(f"{done} searched for, {len(wrong)} taken for copies")
    first = [_is_first(result, path) for result, (_, path) in zip(verified, asked, strict=True)]
    return SearchReport(
        encoder=encoder.spec.name,
        precision=encoder.precision,
        pictures=len(chosen.references),
        queries=len(asked),
        verified=Latency.of(verified),
        unverified=Latency.of(unverified),
        found_first=float(np.mean(first)),
        strangers=len(unseen),
        false_findings=wrong,
        machine=Machine.here(PACKAGES),
    )


def _build(folder: Path, encoder: Encoder, references: Sequence[Path]) -> None:
    options = BuildOptions(workers=2, loaded_from=encoder.spec.name, limits=Limits())
    with IndexWriter(folder) as writer:
        build(writer, encoder, references, options)


def _attacked(chosen: Photographs, home: Path, seed: int) -> list[tuple[Path, Path]]:
    """Write every attack of every original; return the files with their originals."""
    made = []
    for attack in ATTACKS:
        images: list[Image.Image] = queries(chosen, attack, seed=seed)
        for number, original in enumerate(chosen.originals):
            path = home / f"{attack}-{number}.jpg"
            images[number].save(path, quality=QUERY_QUALITY)
            made.append((path, original))
    return made


def _is_first(result: PictureResult, original: Path) -> bool:
    hit = result.hits[0]
    return hit.verdict in COPIES and Path(hit.sample.path).samefile(original)


def _unseen(photos: Path, chosen: Photographs, count: int, seed: int) -> list[Path]:
    """Return photographs that are not indexed."""
    used = {*chosen.references, *chosen.originals}
    files = [path for path in sorted(photos.rglob("*.jpg")) if path not in used]
    if len(files) < count:
        raise UsageError(
            f"expected {count} photographs beside the {len(used)} that are indexed in {photos}, "
            f"got {len(files)}; index fewer with --pictures"
        )
    rng = np.random.default_rng(seed)
    return [files[place] for place in sorted(rng.permutation(len(files))[:count])]


def _taken_for_copies(searcher: Searcher, path: Path) -> list[tuple[str, str]]:
    hits = searcher.search(path).hits
    return [(str(path), hit.sample.path) for hit in hits if hit.verdict in COPIES]
