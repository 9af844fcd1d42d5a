"""Pairs that look alike and are no copies: how many of them are called one.

Pages of one layout with other words, and the pairs of a folder that share the most keypoints: a
floor photographed again, two sitters before one wall, the same print on other shirts.

    python -m benchmarks.look_alikes pages [--pairs 500]
    python -m benchmarks.look_alikes keypoints PHOTOS [--pairs 20000]
"""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import click

from benchmarks.documents import LAYOUTS, page
from indexer.build import BuildOptions, build
from indexer.encoders.registry import load
from indexer.keypoints import Keypoints
from indexer.media.files import Limits, read_file
from indexer.media.image import DecodedImage, decode_image
from indexer.store.reader import IndexReader
from indexer.store.vectors.space import Space
from indexer.store.writer import IndexWriter
from search.evidence import NEEDED_SIDE, compare_decoded
from search.keypoint_votes import votes
from search.verdict import COPIES, Verdict
from search.verification.features import LocalFeatures, local_features

_KEPT = 4000  # decoded pictures in memory, with their local features
_WORKERS = 2
_TOLD_EVERY = 500  # pairs


@dataclass(frozen=True)
class LookAlike:
    """A pair by its names, and what was said of it."""

    first: str
    second: str
    verdict: Verdict
    description: str


@dataclass(frozen=True)
class LookAlikes:
    """The verdicts of some pairs, and the pairs that were called copies."""

    verdicts: Counter[Verdict]
    called: list[LookAlike]


def pages(pairs: int) -> LookAlikes:
    """Compare pairs of pages of one layout, every layout in turn."""
    found = LookAlikes(Counter(), [])
    with ThreadPoolExecutor(_WORKERS) as threads:
        for called in threads.map(_compared_pages, range(pairs)):
            found.verdicts[called.verdict] += 1
            if called.verdict in COPIES:
                found.called.append(called)
    return found


def _compared_pages(number: int) -> LookAlike:
    layout = list(LAYOUTS)[number % len(LAYOUTS)]
    seeds = (2 * number, 2 * number + 1)
    images = [page(layout, seed) for seed in seeds]
    first, second = (DecodedImage(each, *each.size, "PNG") for each in images)
    said = compare_decoded(first, second).comparison
    one, other = (f"{layout} {seed}" for seed in seeds)
    return LookAlike(one, other, said.verdict, said.description)


def sharing_keypoints(photos: Path, pairs: int) -> LookAlikes:
    """Compare the pairs of a folder's pictures that share the most keypoints in one geometry."""
    found = LookAlikes(Counter(), [])
    with tempfile.TemporaryDirectory(prefix="dfindex-bench-") as folder:
        chosen = _most_shared(photos, Path(folder), pairs)
    with ThreadPoolExecutor(_WORKERS) as threads:
        for called in threads.map(lambda pair: _compared(*pair), chosen):
            found.verdicts[called.verdict] += 1
            if called.verdict in COPIES:
                found.called.append(called)
            if found.verdicts.total() % _TOLD_EVERY == 0:
                click.echo(f"{found.verdicts.total()} pairs, {len(found.called)} copies", err=True)
    return found


def _most_shared(photos: Path, home: Path, pairs: int) -> list[tuple[str, str]]:
    encoder = load()
    with IndexWriter(home) as writer:
        options = BuildOptions(workers=_WORKERS, loaded_from=encoder.spec.name)
        build(writer, encoder, [photos], options)
    with IndexReader(home) as reader:
        shared = dict(_shared(reader.space()))
        order = sorted(shared, key=lambda pair: (-shared[pair], pair))[:pairs]
        samples = {one.id: one for one in reader.catalog.samples(sorted({*sum(order, ())}))}
        return [(samples[one].path, samples[other].path) for one, other in order]


def _shared(space: Space) -> Iterator[tuple[tuple[int, int], float]]:
    """Yield each pair of samples with votes for each other, and how many."""
    for numbers, rows in space.keypoint_rows():
        for own, row in zip(numbers.tolist(), rows, strict=True):
            found = votes(Keypoints.from_row(row), space.keypoints, besides=[own])
            yield from (((min(own, one), max(own, one)), vote) for one, vote in found.items())


def _compared(first: str, second: str) -> LookAlike:
    (one, features), (other, others) = _opened(first), _opened(second)
    said = compare_decoded(one, other, features=(features, others)).comparison
    return LookAlike(first, second, said.verdict, said.description)


@lru_cache(_KEPT)
def _opened(path: str) -> tuple[DecodedImage, LocalFeatures]:
    decoded = decode_image(read_file(Path(path), limits=Limits()), at_least=NEEDED_SIDE)
    return decoded, local_features(decoded.image)


def _told(found: LookAlikes) -> None:
    counts = ", ".join(f"{count} {verdict}" for verdict, count in found.verdicts.most_common())
    click.echo(f"{found.verdicts.total()} pairs: {counts}")
    for one in found.called:
        click.echo(f"{one.verdict}: {one.first} | {one.second} | {one.description}")


@click.group()
def main() -> None:
    """Compare pairs that look alike and are no copies."""


@main.command("pages")
@click.option("--pairs", default=500, show_default=True, type=click.IntRange(1))
def _pages(pairs: int) -> None:
    """Compare pages of one layout with other words."""
    _told(pages(pairs))


@main.command("keypoints")
@click.argument("photos", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--pairs", default=20_000, show_default=True, type=click.IntRange(1))
def _keypoints(photos: Path, pairs: int) -> None:
    """Compare the pairs of a folder that share the most keypoints."""
    _told(sharing_keypoints(photos, pairs))


if __name__ == "__main__":
    main()
