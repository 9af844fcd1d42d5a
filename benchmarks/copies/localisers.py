"""Which ways of finding altered areas `bench copy` compares: a baseline, and `dfindex compare`."""

from __future__ import annotations

import numpy as np
from PIL import Image

from benchmarks.copies.aligned_difference import aligned_difference
from benchmarks.copies.attacks import Mask
from benchmarks.copies.localisation import Localiser
from search.verification.compare import compare_images


def compared(original: Image.Image, copy: Image.Image) -> Mask:
    """Return what `dfindex compare` marks as altered, in the copy's pixels."""
    marked = compare_images(copy, original).altered_mask
    return np.zeros((copy.height, copy.width), np.bool_) if marked is None else marked


def all_localisers() -> dict[str, Localiser]:
    """Return the baseline and dfindex."""
    return {"SIFT-aligned difference": aligned_difference, "dfindex compare": compared}
