"""Altered and honest copies for the localisation benchmark, and where they were altered."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
from PIL import Image

from benchmarks.copies.attacks import ATTACKS, AttackResult, Mask, recompressed
from benchmarks.copies.local_edits import LOCAL_EDITS

Treatment = Callable[[Image.Image, np.random.Generator], AttackResult]

HONEST = "none"


@dataclass(frozen=True)
class Case:
    """An original, a copy of it, and where that was altered, in the copy's pixels.

    ``visible`` marks the pixels that show the original's area; nothing else is judged.
    """

    original: Image.Image
    copy: Image.Image
    altered: Mask
    visible: Mask


def plan() -> list[tuple[str, str]]:
    """Return every local edit under every treatment, then unaltered copies of three kinds."""
    edited = [(edit, treatment) for edit in LOCAL_EDITS for treatment in TREATMENTS]
    return edited + [(HONEST, treatment) for treatment in HONEST_TREATMENTS]


def case(edit: str, treatment: str, image: Image.Image, other: Image.Image, *, seed: int) -> Case:
    """Alter the picture, then treat the result, and carry the mask along."""
    nothing = np.zeros((image.height, image.width), dtype=np.bool_)
    altered = AttackResult(image, nothing)
    if edit != HONEST:
        altered = LOCAL_EDITS[edit](image, other, _rng(seed, edit))
    treated = {**TREATMENTS, **HONEST_TREATMENTS}[treatment](altered.image, _rng(seed, treatment))
    assert altered.mask is not None
    return Case(
        original=image,
        copy=treated.image,
        altered=_carried(altered.mask, treated),
        visible=_carried(~nothing, treated),
    )


def _rng(seed: int, name: str) -> np.random.Generator:
    """Return a generator for one step, so that an edit is the same under every treatment."""
    return np.random.default_rng([seed, zlib.crc32(name.encode())])


def _carried(mask: Mask, treated: AttackResult) -> Mask:
    """Move a mask to where its pixels went; transforms count from a pixel's corner."""
    assert treated.transform is not None
    to_corner = np.array([[1, 0, 0.5], [0, 1, 0.5], [0, 0, 1]])
    matrix = (np.linalg.inv(to_corner) @ treated.transform @ to_corner)[:2]
    size = (treated.image.width, treated.image.height)
    moved = cv2.warpAffine(mask.astype(np.uint8), matrix, size, flags=cv2.INTER_NEAREST)
    return np.asarray(moved > 0, dtype=np.bool_)


def _jpeg(quality: int) -> Treatment:
    def treat(image: Image.Image, rng: np.random.Generator) -> AttackResult:
        return AttackResult(recompressed(image, quality), transform=np.eye(3))

    return treat


def _attack_then_jpeg(name: str) -> Treatment:
    def treat(image: Image.Image, rng: np.random.Generator) -> AttackResult:
        result = ATTACKS[name](image, image, rng)
        return AttackResult(recompressed(result.image, 85), transform=result.transform)

    return treat


def _half(image: Image.Image, rng: np.random.Generator) -> AttackResult:
    small = image.resize((image.width // 2, image.height // 2), Image.Resampling.BICUBIC)
    scale = np.diag([small.width / image.width, small.height / image.height, 1.0])
    return AttackResult(recompressed(small, 85), transform=scale)


TREATMENTS: dict[str, Treatment] = {
    "alone": lambda image, rng: AttackResult(image, transform=np.eye(3)),
    "q50": _jpeg(50),
    "crop": _attack_then_jpeg("crop20"),
    "rotation": _attack_then_jpeg("rot15"),
    "mirror": _attack_then_jpeg("mirror"),
}
HONEST_TREATMENTS: dict[str, Treatment] = {
    "q85": _jpeg(85),
    "q50": _jpeg(50),
    "q30": _jpeg(30),
    "half": _half,
    "crop": _attack_then_jpeg("crop20"),
    "colour": _attack_then_jpeg("colour"),
}
