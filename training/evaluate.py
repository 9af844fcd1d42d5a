"""Score an encoder folder on a small set of attacks, to choose between checkpoints.

The reported benchmark lives in ``benchmarks``; this one is quicker and sees validation data.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import click
import cv2
import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from PIL import Image

from training.attacks import ATTACKS
from training.export import read_exported
from training.geometry import PATCH
from training.model import CopyViT, build, image_of
from training.photos import Picture, photo_paths, read_rgb

Rows = NDArray[np.float32]
BATCH = 64
VIEW_CROPS = ((0.2, 0.2), (0, 0), (0.4, 0), (0, 0.4), (0.4, 0.4))
VIEW_PART = 0.6
TOP = 50


@dataclass(frozen=True)
class Score:
    """Micro average precision and recall of the right original among the first 1 and 50."""

    attack: str
    precision: float
    first: float
    among: float
    views_first: float
    views_among: float


def squash(picture: Picture, size: int) -> Picture:
    """Scale a whole picture to size x size with Pillow's bicubic filter."""
    return np.asarray(Image.fromarray(picture).resize((size, size), Image.Resampling.BICUBIC))


@torch.inference_mode()
def encode(model: CopyViT, pictures: Sequence[Picture], size: int) -> torch.Tensor:
    """Return (n, 1 + patches, d) float32 tokens of whole pictures."""
    parts = []
    for start in range(0, len(pictures), BATCH):
        squashed = np.stack([squash(picture, size) for picture in pictures[start : start + BATCH]])
        pixels = torch.from_numpy(squashed).permute(0, 3, 1, 2).float() / 127.5 - 1
        parts.append(model(pixels.to(torch.bfloat16).contiguous()).float())
    return torch.cat(parts)


def windows(grid: int) -> list[tuple[slice, slice]]:
    """List the regions of a patch grid: halves at three places each way, and thirds."""
    found = []
    for part, places in ((0.5, 3), (1 / 3, 3)):
        side = max(2, round(grid * part))
        starts = [round((grid - side) * place / (places - 1)) for place in range(places)]
        found += [(slice(y, y + side), slice(x, x + side)) for y in starts for x in starts]
    return found


def region_rows(tokens: torch.Tensor, size: int) -> Rows:
    """Return (n, 1 + regions, d) unit rows: the class token, then mean patch tokens."""
    grid = size // PATCH
    patches = tokens[:, 1:].reshape(len(tokens), grid, grid, -1)
    regions = [patches[:, rows, columns].mean((1, 2)) for rows, columns in windows(grid)]
    stacked = torch.stack([tokens[:, 0], patches.mean((1, 2)), *regions], 1)
    rows: Rows = F.normalize(stacked, dim=2).numpy()
    return rows


def query_views(picture: Picture) -> list[Picture]:
    """Return the picture, its mirror image, three rotations and five crops of 60 % a side."""
    height, width = picture.shape[:2]
    views = [picture, picture[:, ::-1], *(np.rot90(picture, turn) for turn in (1, 2, 3))]
    for left, top in VIEW_CROPS:
        y, x = int(top * height), int(left * width)
        part = picture[y : y + int(VIEW_PART * height), x : x + int(VIEW_PART * width)]
        views.append(part)
    return [np.ascontiguousarray(view) for view in views]


def micro_precision(scores: Rows, truth: NDArray[np.int64]) -> float:
    """Return micro average precision of (q, r) scores; ``truth`` is the right column or -1."""
    right = np.zeros(scores.shape, bool)
    known = truth >= 0
    right[np.flatnonzero(known), truth[known]] = True
    order = np.argsort(-scores, axis=None, kind="stable")
    hits = right.ravel()[order]
    precision = np.cumsum(hits) / np.arange(1, hits.size + 1)
    return float((precision * hits).sum() / known.sum())


def recall(scores: Rows, truth: NDArray[np.int64], top: int) -> float:
    """Return the share of known queries whose original is among the best ``top`` columns."""
    known = np.flatnonzero(truth >= 0)
    own = scores[known, truth[known]]
    return float(((scores[known] > own[:, None]).sum(1) < top).mean())


def view_scores(model: CopyViT, size: int, queries: Sequence[Picture], references: Rows) -> Rows:
    """Return (q, r) best scores over query views and the regions of either side."""
    best = np.full((len(queries), len(references)), -1.0, np.float32)
    for views in zip(*map(query_views, queries), strict=True):
        rows = region_rows(encode(model, views, size), size)
        theirs = (rows[:, 0] @ references.reshape(-1, rows.shape[2]).T).reshape(
            len(queries), len(references), -1
        )
        ours = np.einsum("qkd,rd->qrk", rows, references[:, 0])
        best = np.maximum(best, np.maximum(theirs.max(2), ours.max(2)))
    return best


def score_attack(
    model: CopyViT,
    size: int,
    attack: str,
    queries: Sequence[Picture],
    truth: NDArray[np.int64],
    references: Rows,
    views: bool,
) -> tuple[Score, Rows]:
    """Attack every query picture and look for it; also return the (q, r) class token scores."""
    edit: Callable[..., Picture] = ATTACKS[attack]
    edited = []
    for number, picture in enumerate(queries):
        rng = np.random.default_rng((7, number, len(attack)))
        edited.append(edit(picture, rng, queries[(number + 1 + number % 7) % len(queries)]))
    plain = F.normalize(encode(model, edited, size)[:, 0], dim=1).numpy() @ references[:, 0].T
    first = among = float("nan")
    if views:
        known = truth >= 0
        shown = [picture for picture, kept in zip(edited, known, strict=True) if kept]
        best = view_scores(model, size, shown, references)
        first, among = recall(best, truth[known], 1), recall(best, truth[known], TOP)
    score = Score(
        attack,
        micro_precision(plain, truth),
        recall(plain, truth, 1),
        recall(plain, truth, TOP),
        first,
        among,
    )
    return score, plain


def evaluate(folder: Path, photos: Path, known: int, unknown: int, views: bool) -> list[Score]:
    """Score every attack; ``unknown`` queries show photographs that are not among the references.

    The first photographs in a seeded order are attacked, the next ``unknown`` ones are the
    distractor queries, and all but the latter are references.
    """
    state = read_exported(folder)
    size, model = image_of(state), build(state).to(torch.bfloat16).eval()
    paths = photo_paths(photos)
    order = np.random.default_rng(11).permutation(len(paths))
    pictures = [read_rgb(paths[index]) for index in order]
    queries = pictures[: known + unknown]
    collection = pictures[:known] + pictures[known + unknown :]
    references = region_rows(encode(model, collection, size), size)
    truth = np.concatenate([np.arange(known), np.full(unknown, -1)])
    results, tables = [], []
    for attack in ATTACKS:
        score, table = score_attack(model, size, attack, queries, truth, references, views)
        results.append(score)
        tables.append(table)
        click.echo(line_of(score))
    everything = micro_precision(np.concatenate(tables), np.tile(truth, len(tables)))
    rest = np.array([list(asdict(score).values())[2:] for score in results]).mean(0).tolist()
    results.append(Score("all", everything, *rest))
    click.echo(line_of(results[-1]))
    return results


def line_of(score: Score) -> str:
    """Render one score as a line of text."""
    return (
        f"{score.attack:18s} uAP {score.precision:.2f} R@1 {score.first:.2f} R@50 {score.among:.2f}"
        f" | views+regions R@1 {score.views_first:.2f} R@50 {score.views_among:.2f}"
    )


@click.command()
@click.option("--encoder", type=click.Path(exists=True, path_type=Path), required=True)
@click.option("--photos", type=click.Path(exists=True, path_type=Path), required=True)
@click.option("--known", default=120, show_default=True, help="Queries with an original.")
@click.option("--unknown", default=80, show_default=True, help="Queries without one.")
@click.option("--views/--no-views", default=True, show_default=True)
@click.option("--json", "output", type=click.Path(path_type=Path), help="Also write the scores.")
def main(
    encoder: Path, photos: Path, known: int, unknown: int, views: bool, output: Path | None
) -> None:
    """Print micro average precision and recall for every attack."""
    cv2.setNumThreads(1)
    scores = evaluate(encoder, photos, known, unknown, views)
    if output is not None:
        output.write_text(json.dumps([asdict(score) for score in scores], indent=1) + "\n")


if __name__ == "__main__":
    main()
