"""Learn the words of keypoints: ``python -m training.vocabulary --photos DIR --out FILE``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
import cv2
import faiss
import numpy as np
from PIL import Image

from indexer import keypoints
from indexer.keypoints import BRANCHES, CODE_BYTES
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


def read_codes(paths: list[Path]) -> UInt8:
    """Return the codes (n, 32) of all keypoints of some photographs."""
    detector = keypoints.detector()
    found = []
    for path in paths:
        with Image.open(path) as image:
            grey = keypoints.reading(image.convert("RGB"))
        codes = None if grey is None else detector.detectAndCompute(grey, None)[1]
        found += [] if codes is None else [codes]
    return np.concatenate(found)


@click.command()
@click.option("--photos", type=click.Path(exists=True, path_type=Path), required=True)
@click.option("--out", type=click.Path(path_type=Path), required=True)
@click.option("--count", default=1500, show_default=True, help="Photographs to read.")
@click.option("--seed", default=1, show_default=True)
def main(photos: Path, out: Path, count: int, seed: int) -> None:
    """Write the 64 trunks and their 64 leaves each as one (64 + 4096, 32) uint8 array."""
    cv2.setNumThreads(1)
    paths = photo_paths(photos)
    rng = np.random.default_rng(seed)
    chosen = [paths[place] for place in rng.permutation(len(paths))[:count]]
    codes = read_codes(chosen)
    trunks, nearest = learnt(codes, BRANCHES, seed)
    leaves = [learnt(codes[nearest == each], BRANCHES, seed)[0] for each in range(BRANCHES)]
    np.save(out, np.concatenate([trunks, *leaves]))
    click.echo(f"{len(codes)} codes of {len(chosen)} photographs, {BRANCHES**2} words")


if __name__ == "__main__":
    main()
