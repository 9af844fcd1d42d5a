"""Choose the sample corpus from a copy of its source, file by file and class by class.

Run once, as ``python data/choose_photos.py SOURCE``; SOURCE holds ``test/CLASS/*.jpg`` and
``validation/CLASS/*.jpg``. The pictures of ``train/`` are left out: the packaged encoder learnt
from them.
"""

from __future__ import annotations

import csv
import hashlib
import shutil
from itertools import zip_longest
from pathlib import Path

import click
import numpy as np

HERE = Path(__file__).resolve().parent
SPLITS = ("test", "validation")


def choose(source: Path, count: int, seed: int) -> list[Path]:
    """Return ``count`` photographs, taken from the classes in turn."""
    rng = np.random.default_rng(seed)
    classes: dict[str, list[Path]] = {}
    for split in SPLITS:
        for photo in sorted((source / split).glob("*/*.jpg")):
            classes.setdefault(photo.parent.name, []).append(photo)
    shuffled = [[photos[i] for i in rng.permutation(len(photos))] for photos in classes.values()]
    in_turn = [photo for round_ in zip_longest(*shuffled) for photo in round_ if photo is not None]
    return in_turn[:count]


def copy(photo: Path, source: Path) -> dict[str, str]:
    """Copy a photograph byte for byte and return its row of the list."""
    target = HERE / "photos" / photo.parent.name / photo.name
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(photo, target)
    return {
        "file": target.relative_to(HERE).as_posix(),
        "origin": photo.relative_to(source).as_posix(),
        "sha256": hashlib.sha256(target.read_bytes()).hexdigest(),
    }


@click.command(help=__doc__)
@click.argument("source", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--count", default=300, show_default=True)
@click.option("--seed", default=0, show_default=True)
def main(source: Path, count: int, seed: int) -> None:
    """Copy the chosen photographs to photos/ and list them in photos.csv."""
    rows = sorted((copy(photo, source) for photo in choose(source, count, seed)), key=str)
    with (HERE / "photos.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, ["file", "origin", "sha256"], lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    click.echo(f"{len(rows)} photographs in {HERE / 'photos'}")


if __name__ == "__main__":
    main()
