"""Which samples share keypoints with a query in one geometry: votes, before any pixel is read.

Each pair of like keypoints proposes where the query lies in the sample, how large and how turned;
proposals that agree add up (weak geometric consistency: Jegou, Douze and Schmid, ECCV 2008).
"""

from __future__ import annotations

from collections.abc import Collection
from itertools import product

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps

from indexer.keypoints import Keypoints, keypoints
from indexer.store.vectors.keypoint_index import KeypointIndex, KeypointMatches
from indexer.types import Float32, Int64

Bools = npt.NDArray[np.bool_]

NEAREST = 8  # keypoints of the corpus for each of the query's
FARTHEST = 60  # bits of 256 in which like keypoints differ at most
SLACK = 10  # bits that the others may differ more than the nearest
SOFTNESS = 40.0  # bits: how fast a pair's weight falls
OCTAVES, DEGREES, PLACE = 1.0, 30.0, 0.12  # of a bin; the place in the sample's longest sides
COUNT = 1200  # keypoints of a query: more than a sample keeps, since the copy may be a part of it
FEWEST = 1.0  # votes: less is one pair's, which is chance
WORTH = 3.0  # votes that make a sample worth a look: most non-matching pictures have fewer


def query_keypoints(image: Image.Image) -> tuple[Keypoints, Keypoints]:
    """Return a picture's keypoints, and those of its mirror image: their codes differ."""
    return keypoints(image, count=COUNT), keypoints(ImageOps.mirror(image), count=COUNT)


def votes(
    query: Keypoints,
    index: KeypointIndex,
    *,
    allowed: Int64 | None = None,
    besides: Collection[int] = (),
) -> dict[int, float]:
    """Return the samples that share more than a chance keypoint with the query, and their votes.

    ``besides`` are samples that hold the query itself: they say nothing of the others, whose
    keypoints would all be much farther than theirs.
    """
    if not len(query) or not len(index):
        return {}
    pairs = index.search(query, NEAREST, allowed=allowed, within=FARTHEST)
    others = ~np.isin(pairs.samples, list(besides))
    weights = _weights(pairs, len(query), others)
    kept = np.flatnonzero(weights > 0)
    if not len(kept):
        return {}
    samples, numbers = np.unique(pairs.samples[kept], return_inverse=True)
    best = _agreement(_proposals(query, pairs, kept), numbers, weights[kept], len(samples))
    found = np.flatnonzero(best >= FEWEST)
    return dict(zip(samples[found].tolist(), best[found].tolist(), strict=True))


def _weights(pairs: KeypointMatches, count: int, usable: Bools) -> Float32:
    """Return what each pair's vote counts, 0 for those not ``usable`` and those not alike."""
    nearest = np.full(count, FARTHEST, dtype=np.int64)
    np.minimum.at(nearest, pairs.query[usable], pairs.distances[usable])
    alike = usable & (pairs.distances <= np.minimum(FARTHEST, nearest[pairs.query] + SLACK))
    return np.where(alike, np.exp(-((pairs.distances / SOFTNESS) ** 2)), 0).astype(np.float32)


def _proposals(query: Keypoints, pairs: KeypointMatches, kept: Int64) -> Float32:
    """Return the query's size, turn and centre in the sample, (n, 4) in bins."""
    mine = pairs.query[kept]
    octaves = np.log2(pairs.sizes[kept] / query.sizes[mine])
    turn = (pairs.angles[kept] - query.angles[mine]) % 360
    # any point of the query would do, but one amid its keypoints errs least
    arm = query.points.mean(axis=0) - query.points[mine]
    cosine, sine = np.cos(np.radians(turn)), np.sin(np.radians(turn))
    turned = np.stack(
        [cosine * arm[:, 0] - sine * arm[:, 1], sine * arm[:, 0] + cosine * arm[:, 1]]
    )
    centre = pairs.points[kept] + (2**octaves * turned).T
    return np.column_stack([octaves / OCTAVES, turn / DEGREES, centre / PLACE]).astype(np.float32)


def _agreement(proposals: Float32, samples: Int64, weights: Float32, count: int) -> Float32:
    """Return the weight (count,) in the fullest bin of each sample.

    Bins are laid four ways, so that what lies on an edge in one lies within in another.
    """
    best = np.zeros(count, dtype=np.float32)
    turns = round(360 / DEGREES)
    for moved, turned in product((0.0, 0.5), (0.0, 0.5)):
        bins = np.floor(proposals + np.array([moved, turned, moved, moved])).astype(np.int64)
        bins[:, 1] %= turns
        bins = np.clip(bins, -500, 499) + 500
        keys = samples
        for column in bins.T:
            keys = keys * 1000 + column
        unique, places = np.unique(keys, return_inverse=True)
        full = np.bincount(places, weights, len(unique)).astype(np.float32)
        np.maximum.at(best, unique // 1000**4, full)
    return best
