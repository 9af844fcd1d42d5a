"""Learn the vocabulary of keypoints, its words, or the twigs below them that are shipped.

python -m training.vocabulary words --photos DIR --out FILE
python -m training.vocabulary twigs --photos DIR --out FILE
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
import cv2
import faiss
import numpy as np
from PIL import Image

from indexer import keypoints
from indexer.keypoints import BRANCHES, CODE_BYTES, TWIGS, WORDS, Vocabulary, vocabulary
from indexer.types import Float32, UInt8
from training.photos import photo_paths

ROUNDS = 15


def learnt(codes: UInt8, branches: int, seed: int) -> tuple[UInt8, Any]:
    """Cluster codes (n, 32): return the centres (branches, 32) and each code's centre (n,).

    k-means over the bits as -1 and 1, its centres rounded to bits (k-majority: Grana et al.,
    2013).
    """
    bits = _signs(codes)
    means = faiss.Kmeans(
        8 * CODE_BYTES, branches, niter=ROUNDS, seed=seed, min_points_per_centroid=1
    )
    means.train(bits)
    centres = np.packbits(np.asarray(means.centroids) > 0, axis=1)
    nearest = (bits @ _signs(centres).T).argmax(axis=1)
    return centres, nearest


def _signs(codes: UInt8) -> Float32:
    return np.unpackbits(codes, axis=1).astype(np.float32) * 2 - 1


def read_codes(paths: list[Path], count: int = keypoints.COUNT) -> UInt8:
    """Return the codes (n, 32) of at most ``count`` keypoints of each of some photographs."""
    detector = keypoints.detector(count)
    found = []
    for path in paths:
        with Image.open(path) as image:
            grey = keypoints.reading(image.convert("RGB"))
        codes = None if grey is None else detector.detectAndCompute(grey, None)[1]
        found += [] if codes is None else [codes]
    return np.concatenate(found)


def twigs(known: Vocabulary, codes: UInt8, seed: int) -> UInt8:
    """Return the twigs (WORDS, TWIGS, 32) below each word, learnt from codes (n, 32).

    Where a word has few codes they are its twigs, and its own code is the others.
    """
    words = known.words(codes)
    found = np.repeat(known.centres[:, None], TWIGS, axis=1)
    order = np.argsort(words, kind="stable")
    for word, some in enumerate(
        np.split(codes[order], np.searchsorted(words[order], range(1, WORDS)))
    ):
        if len(some) > TWIGS:
            found[word] = learnt(some, TWIGS, seed)[0]
        else:
            found[word, : len(some)] = some
    return found


def _chosen(photos: Path, count: int, seed: int) -> list[Path]:
    cv2.setNumThreads(1)
    paths = photo_paths(photos)
    rng = np.random.default_rng(seed)
    return [paths[place] for place in rng.permutation(len(paths))[:count]]


@click.group()
def main() -> None:
    """Learn the vocabulary of keypoints."""


_photos = click.option("--photos", type=click.Path(exists=True, path_type=Path), required=True)
_out = click.option("--out", type=click.Path(path_type=Path), required=True)
_seed = click.option("--seed", default=1, show_default=True)


@main.command("words")
@_photos
@_out
@click.option("--count", default=1500, show_default=True, help="Photographs to read.")
@_seed
def _words(photos: Path, out: Path, count: int, seed: int) -> None:
    """Write the 64 trunks and their 64 leaves each as one (64 + 4096, 32) uint8 array."""
    codes = read_codes(_chosen(photos, count, seed))
    trunks, nearest = learnt(codes, BRANCHES, seed)
    leaves = [learnt(codes[nearest == each], BRANCHES, seed)[0] for each in range(BRANCHES)]
    np.save(out, np.concatenate([trunks, *leaves]))
    click.echo(f"{len(codes)} codes, {BRANCHES**2} words")


@main.command("twigs")
@_photos
@_out
@click.option("--count", default=3000, show_default=True, help="Photographs to read.")
@_seed
def _twigs(photos: Path, out: Path, count: int, seed: int) -> None:
    """Write the 64 twigs below each shipped word as one (262144, 32) uint8 array."""
    codes = read_codes(_chosen(photos, count, seed), 4 * keypoints.COUNT)
    np.save(out, twigs(vocabulary(), codes, seed).reshape(-1, CODE_BYTES))
    click.echo(f"{len(codes)} codes, {WORDS * TWIGS} twigs")


if __name__ == "__main__":
    main()
