"""Which photographs the copy benchmark searches in and with, and the queries made of them."""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from benchmarks.copies.attacks import ATTACKS, recompressed
from benchmarks.copies.retrieval_metrics import NO_REFERENCE
from indexer.errors import UsageError
from indexer.types import Int64

QUERY_QUALITY = 85  # a query is a file somebody saved
SUFFIXES = {".jpg", ".jpeg", ".png", ".webp"}


@dataclass(frozen=True)
class Photographs:
    """The benchmark's photographs, each in one role.

    The first of ``references`` are the originals, in their order. ``from_train`` counts the
    references taken from ``train/``: distractors that an encoder may have learnt from.
    """

    references: tuple[Path, ...]
    originals: tuple[Path, ...]
    distractors: tuple[Path, ...]
    from_train: int

    @property
    def truth(self) -> Int64:
        """Each query's reference: the originals' own, then none for the distractors."""
        none = np.full(len(self.distractors), NO_REFERENCE)
        return np.concatenate([np.arange(len(self.originals)), none])


def choose(
    photos: Path, *, references: int, originals: int, distractors: int, seed: int
) -> Photographs:
    """Give photographs their roles, at random.

    Where the folder has ``test/``, originals and distractors come from it alone, references also
    from the rest of ``test/`` and ``validation/``, and only then from ``train/``. Any other folder
    is one pool. There may be fewer references than asked for, where there are too few files.
    """
    rng = np.random.default_rng(seed)
    held_out, more, train = _pools(photos, rng)
    if min(originals, references) < 1 or distractors < 2 or originals > references:
        raise UsageError(
            "expected at least 1 original, 2 distractors, and no fewer references than originals, "
            f"got {originals}, {distractors} and {references}"
        )
    if originals + distractors > len(held_out):
        raise UsageError(
            f"expected {originals + distractors} photographs for queries in {photos}, got "
            f"{len(held_out)}: ask for fewer originals or distractors"
        )
    rest = [*held_out[originals + distractors :], *more]
    fill = max(0, references - originals)
    chosen = [*held_out[:originals], *rest[:fill], *train[: max(0, fill - len(rest))]]
    return Photographs(
        references=tuple(chosen),
        originals=tuple(held_out[:originals]),
        distractors=tuple(held_out[originals : originals + distractors]),
        from_train=max(0, len(chosen) - originals - len(rest)),
    )


def queries(pictures: Photographs, attack: str, *, seed: int) -> list[Image.Image]:
    """Attack every original, then every distractor; what is pasted comes from the distractors.

    No reference is used as the other picture, so that a query has one right answer at most.
    """
    made = []
    for number, path in enumerate((*pictures.originals, *pictures.distractors)):
        other = pictures.distractors[(number + 1) % len(pictures.distractors)]
        if other == path:
            other = pictures.distractors[(number + 2) % len(pictures.distractors)]
        rng = np.random.default_rng([seed, zlib.crc32(attack.encode()), number])
        result = ATTACKS[attack](_opened(path), _opened(other), rng)
        made.append(recompressed(result.image, QUERY_QUALITY))
    return made


def _pools(photos: Path, rng: np.random.Generator) -> tuple[list[Path], list[Path], list[Path]]:
    """Return shuffled files: for queries, for references only, and of ``train/``."""
    if not (photos / "test").is_dir():
        return _shuffled(photos, rng), [], []
    return (
        _shuffled(photos / "test", rng),
        _shuffled(photos / "validation", rng),
        _shuffled(photos / "train", rng),
    )


def _shuffled(folder: Path, rng: np.random.Generator) -> list[Path]:
    files = sorted(path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES)
    return [files[i] for i in rng.permutation(len(files))]


def _opened(path: Path) -> Image.Image:
    with Image.open(path) as image:
        return image.convert("RGB")
