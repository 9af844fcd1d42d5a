"""Make manipulated copies of some photographs of the sample corpus, and a list that explains them.

Run as ``python -m data.make_manipulated [--out DIR]``. Each copy is a JPEG; where a part of the
picture was replaced, a mask of the same size (white where altered) lies under ``masks/``.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

import click
import numpy as np
from PIL import Image

from benchmarks.copies.attacks import ATTACKS, Attack, AttackResult
from benchmarks.copies.local_edits import LOCAL_EDITS

HERE = Path(__file__).resolve().parent
COPIES_EACH = 2
QUALITY = 80
FIELDS = ["file", "attack", "original", "other", "mask"]
USES_OTHER = {"paste40", "collage", "splice", "overlay", "strong", "local_splice"}
DEMO = {
    "demo_mirrored_crop": ("crop50+mirror", "t-shirt/d90835e2-e433-4c1b-a43f-4a6ba0f9617a.jpg"),
    "demo_local_splice": ("local_splice", "longsleeve/b4094c8d-68c9-4854-99c9-ee88ed37d6e5.jpg"),
    "demo_recoloured_letterbox": (
        "colour+letterbox+jpeg_half",
        "hat/4f04a31f-6589-4fe2-8a95-a42f6a164bd9.jpg",
    ),
}


@dataclass(frozen=True)
class Copy:
    """One manipulated picture to make: its name, the edits in order, and the pictures used."""

    name: str
    attack: str
    original: Path
    other: Path


def plan(photos: list[Path], rng: np.random.Generator) -> list[Copy]:
    """Return what to make: every attack and local edit twice, each on another photograph."""
    names = [name for name in (*ATTACKS, *LOCAL_EDITS) for _ in range(COPIES_EACH)]
    chosen = [photos[i] for i in rng.choice(len(photos), size=2 * len(names), replace=False)]
    copies = [
        Copy(f"{attack}_{number % COPIES_EACH + 1}", attack, original, other)
        for number, (attack, original, other) in enumerate(
            zip(names, chosen[::2], chosen[1::2], strict=True)
        )
    ]
    demo = [
        Copy(name, attack, HERE / "photos" / original, chosen[1])
        for name, (attack, original) in DEMO.items()
    ]
    return copies + demo


def manipulate(copy: Copy, rng: np.random.Generator) -> AttackResult:
    """Apply the copy's edits one after the other; the mask is the last edit's."""
    with Image.open(copy.original) as opened, Image.open(copy.other) as opened_other:
        result, other = AttackResult(opened.convert("RGB")), opened_other.convert("RGB")
    for name in copy.attack.split("+"):
        edit: Attack = {**ATTACKS, **LOCAL_EDITS}[name]
        result = edit(result.image, other, rng)
    return result


def write(copy: Copy, result: AttackResult, out: Path) -> dict[str, str]:
    """Save the picture and its mask and return its row of the list."""
    result.image.save(out / f"{copy.name}.jpg", quality=QUALITY)
    mask = ""
    if result.mask is not None:
        mask = f"masks/{copy.name}.png"
        white = Image.fromarray(result.mask.astype(np.uint8) * 255)
        white.convert("1").save(out / mask, optimize=True)
    other = copy.other.relative_to(HERE).as_posix() if copy.attack in USES_OTHER else ""
    original = copy.original.relative_to(HERE).as_posix()
    return dict(zip(FIELDS, [f"{copy.name}.jpg", copy.attack, original, other, mask], strict=True))


@click.command(help=__doc__)
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    default=HERE / "manipulated",
    help="Folder to write to; data/manipulated where not given.",
)
@click.option("--seed", default=0, show_default=True)
def main(out: Path, seed: int) -> None:
    """Write the copies, their masks and manifest.csv."""
    (out / "masks").mkdir(parents=True, exist_ok=True)
    photos = sorted((HERE / "photos").glob("*/*.jpg"))
    copies = plan(photos, np.random.default_rng(seed))
    rows = [
        write(copy, manipulate(copy, np.random.default_rng([seed, number])), out)
        for number, copy in enumerate(copies)
    ]
    with (out / "manifest.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, FIELDS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    click.echo(f"{len(rows)} manipulated pictures in {out}")


if __name__ == "__main__":
    main()
