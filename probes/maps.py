"""Maps over a picture's patches, and the regions that stand out in them."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from indexer.types import Float32

TOP_SHARE = 0.1  # of the patches: those that make up the top regions


@dataclass(frozen=True, kw_only=True)
class Region:
    """Neighbouring patches that stand out: ``box`` (x, y, width, height) in patches.

    ``share`` is their part of everything positive in the map, ``peak`` their highest value.
    """

    box: tuple[int, int, int, int]
    share: float
    peak: float


def patch_logits(patches: Float32, weights: Float32, bias: float) -> Float32:
    """Return what the head would say of each patch token alone: (patches,) float32.

    ``weights`` (D,) and ``bias`` are the head's, as log-odds of fake.
    """
    return np.asarray(patches @ weights + np.float32(bias), np.float32)


def top_regions(values: Float32, *, most: int = 5) -> list[Region]:
    """Return the regions of the highest tenth of a map (rows, columns), the weightiest first.

    Where no value stands out, as in a map of one value, there are none.
    """
    positive = np.clip(values, 0, None)
    total = float(positive.sum())
    limit = np.quantile(values, 1 - TOP_SHARE)
    high = (values >= limit) & (values > np.median(values)) & (values > 0)
    if not high.any() or total <= 0:
        return []
    _, labels, stats, _ = cv2.connectedComponentsWithStats(high.astype(np.uint8), connectivity=8)
    regions = [
        Region(
            box=(int(x), int(y), int(width), int(height)),
            share=float(positive[labels == number].sum()) / total,
            peak=float(values[labels == number].max()),
        )
        for number, (x, y, width, height, _) in enumerate(stats)
        if number
    ]
    return sorted(regions, key=lambda region: -region.share)[:most]
