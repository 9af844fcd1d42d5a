"""What labelled pictures of the user's own say of a head: its orientation and its threshold."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from dfindex.detection.detect import HeadDetector, found_files
from dfindex.detection.wording import HeadThreshold, at_false_positive_rate
from indexer.encoders.own_head import declared_fake_index, probability
from indexer.errors import UsageError
from indexer.labels import read_labels
from indexer.store.catalog.orientations import Orientation, OrientationFinding, remember_orientation
from indexer.store.writer import IndexWriter

USUAL_RATE = 0.05
AS_DECLARED_FROM, INVERTED_BELOW = 0.6, 0.4


@dataclass(frozen=True, kw_only=True)
class OrientationCheck:
    """A head against labelled pictures.

    ``auc`` is that of the declared direction: the share of pairs of a fake and a real picture in
    which the fake one scores higher. ``ci95`` is its interval (Hanley & McNeil 1982).
    ``declared_fake_index`` is which output is said to be fake; ``unread`` lists labelled pictures
    that cannot be read.
    """

    encoder: str
    fingerprint: str
    preset: str
    declared_fake_index: int
    finding: Orientation
    auc: float
    ci95: tuple[float, float]
    real: int
    fake: int
    unread: tuple[str, ...]


@dataclass(frozen=True)
class _Labelled:
    """Declared log-odds of fake by label, and what cannot be read."""

    real: Sequence[float]
    fake: Sequence[float]
    unread: tuple[str, ...]


def calibrated(
    detector: HeadDetector, *, csv: Path | None, rate: float | None, views: bool
) -> HeadThreshold:
    """Return the threshold of a false-positive rate on the real pictures of a label file.

    Without a file, those that the index has labelled real. Raise UsageError where they are too
    few.
    """
    labels = _of_csv(csv) if csv is not None else detector.labelled()
    real = {raw: label for raw, label in labels.items() if label == "real"}
    if not real:
        raise UsageError(
            "expected pictures labelled real to measure a false-positive rate on, got none; "
            "name some with --calibrate CSV, or label them with dfindex label import"
        )
    odds = _odds(detector, real, views=views).real
    turned = detector.turned()
    return at_false_positive_rate([probability(turned * one) for one in odds], rate or USUAL_RATE)


def check_orientation(detector: HeadDetector, csv: Path, *, index: Path) -> OrientationCheck:
    """Measure which way a head points on labelled pictures, and keep the finding in the index.

    Raise UsageError where a label is missing.
    """
    labelled = _odds(detector, _of_csv(csv))
    if not labelled.real or not labelled.fake:
        raise UsageError(
            f"expected real and fake pictures in {csv}, got {len(labelled.real)} real and "
            f"{len(labelled.fake)} fake that can be read"
        )
    auc = area_under_curve(labelled.fake, labelled.real)
    pictures = len(labelled.fake) + len(labelled.real)
    found = OrientationFinding(finding=_finding(auc), auc=auc, pictures=pictures)
    with IndexWriter(index) as writer:
        remember_orientation(writer.catalog, detector.spec.fingerprint, found)
    return OrientationCheck(
        encoder=detector.spec.name,
        fingerprint=detector.spec.fingerprint,
        preset=detector.spec.preset.name,
        declared_fake_index=declared_fake_index(detector.spec),
        finding=found.finding,
        auc=auc,
        ci95=_interval(auc, len(labelled.fake), len(labelled.real)),
        real=len(labelled.real),
        fake=len(labelled.fake),
        unread=labelled.unread,
    )


def area_under_curve(fake: Sequence[float], real: Sequence[float]) -> float:
    """Return the share of pairs in which the fake picture scores higher; a tie is half a pair."""
    above = np.subtract.outer(np.asarray(fake), np.asarray(real))
    return float((above > 0).mean() + (above == 0).mean() / 2)


def _finding(auc: float) -> Orientation:
    if auc < INVERTED_BELOW:
        return Orientation.INVERTED
    return Orientation.AS_DECLARED if auc >= AS_DECLARED_FROM else Orientation.UNDETERMINED


def _interval(auc: float, fake: int, real: int) -> tuple[float, float]:
    q1, q2 = auc / (2 - auc), 2 * auc**2 / (1 + auc)
    spread = auc * (1 - auc) + (fake - 1) * (q1 - auc**2) + (real - 1) * (q2 - auc**2)
    half = 1.96 * float(np.sqrt(max(spread, 0.0) / (fake * real)))
    return max(0.0, auc - half), min(1.0, auc + half)


def _of_csv(csv: Path) -> dict[bytes, str]:
    return {row.raw: row.label.label for row in read_labels(csv)}


def _odds(detector: HeadDetector, labels: Mapping[bytes, str], *, views: bool = False) -> _Labelled:
    """Return the declared log-odds of labelled files; those that vanished count as unread."""
    here = [raw for raw in labels if os.path.lexists(raw)]
    gone = [f"{os.fsdecode(raw)}: does not exist" for raw in labels if not os.path.lexists(raw)]
    files = found_files([Path(os.fsdecode(raw)) for raw in here], exclude=None)
    answers = detector.answers(files, views=views)
    odds: dict[str, list[float]] = {"real": [], "fake": []}
    for file in files:
        answer = answers[file.raw]
        if answer.odds is None:
            gone.append(f"{file.path}: {answer.problem}")
        else:
            odds[labels[file.raw]].append(answer.odds)
    return _Labelled(odds["real"], odds["fake"], tuple(gone))
