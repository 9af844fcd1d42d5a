"""How well altered regions are found: overlap on local edits, false alarms on honest copies."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from PIL import Image
from rich.table import Table

from benchmarks.copies.attacks import Mask
from benchmarks.copies.local_cases import Case, case, plan
from benchmarks.copies.methods import opened
from benchmarks.copies.queries import choose
from benchmarks.machine import Machine

Localiser = Callable[[Image.Image, Image.Image], Mask]

PACKAGES = ("dfindex", "numpy", "pillow", "opencv-python-headless")


@dataclass(frozen=True)
class LocalisationRow:
    """Means over the cases of one edit and one treatment, by one method.

    ``iou`` is the overlap of the altered and the marked area over their union; ``area_error`` the
    difference of their shares of the visible area; ``false_alarm`` the share of the visible area
    that is marked though it was not altered.
    """

    method: str
    edit: str
    treatment: str
    cases: int
    iou: float | None
    area_error: float
    false_alarm: float


@dataclass(frozen=True)
class LocalisationReport:
    """What the localisation benchmark found out, and under which conditions."""

    seed: int
    originals: int
    rows: list[LocalisationRow]
    seconds: dict[str, float]
    machine: Machine

    def to_json(self) -> dict[str, object]:
        """Return the report as plain JSON values."""
        return asdict(self)


def run(
    photos: Path,
    *,
    methods: dict[str, Localiser],
    originals: int = 30,
    seed: int = 0,
    progress: Callable[[str], None] | None = None,
) -> LocalisationReport:
    """Alter, treat, localise and measure; every method sees the same cases."""
    paths = choose(
        photos, references=originals, originals=originals, distractors=originals, seed=seed
    )
    pairs = list(zip(opened(paths.originals), opened(paths.distractors), strict=True))
    rows, seconds = [], dict.fromkeys(methods, 0.0)
    for edit, treatment in plan():
        cases = [case(edit, treatment, *pair, seed=seed + n) for n, pair in enumerate(pairs)]
        for name, method in methods.items():
            if progress:
                progress(f"{edit}, {treatment}: {name}")
            start = time.perf_counter()
            marked = [method(each.original, each.copy) for each in cases]
            seconds[name] += time.perf_counter() - start
            rows.append(measured(name, edit, treatment, cases, marked))
    return LocalisationReport(seed, originals, rows, seconds, Machine.here(PACKAGES))


def measured(
    method: str, edit: str, treatment: str, cases: Sequence[Case], marked: Sequence[Mask]
) -> LocalisationRow:
    """Compare marked with altered areas, case by case, and average."""
    seen = [
        (each.altered[each.visible], mask[each.visible]) for each, mask in _paired(cases, marked)
    ]
    overlaps = [(a & m).sum() / (a | m).sum() for a, m in seen if a.any()]
    return LocalisationRow(
        method=method,
        edit=edit,
        treatment=treatment,
        cases=len(cases),
        iou=float(np.mean(overlaps)) if overlaps else None,
        area_error=float(np.mean([abs(a.mean() - m.mean()) for a, m in seen])),
        false_alarm=float(np.mean([(m & ~a).mean() for a, m in seen])),
    )


def render(report: LocalisationReport) -> Table:
    """Return the report as a table for people."""
    table = Table(title=f"altered areas, {report.originals} photographs a row, seed {report.seed}")
    for name in ("edit", "then", "method", "IoU", "area error", "false-alarm area"):
        table.add_column(name, justify="right" if name[0] in "Iaf" else "left")
    for row in report.rows:
        iou = "" if row.iou is None else f"{row.iou:.3f}"
        errors = (f"{row.area_error:.2%}", f"{row.false_alarm:.2%}")
        table.add_row(row.edit, row.treatment, row.method, iou, *errors)
    return table


def _paired(cases: Sequence[Case], marked: Sequence[Mask]) -> list[tuple[Case, Mask]]:
    for each, mask in zip(cases, marked, strict=True):
        if mask.shape != each.altered.shape:
            raise ValueError(f"expected a mask {each.altered.shape} (the copy), got {mask.shape}")
    return list(zip(cases, marked, strict=True))
