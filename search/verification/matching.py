"""Whether two pictures' local features lie in one geometry: the evidence that one is a copy."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from indexer.types import Float32, Int64
from search.verification.features import LocalFeatures
from search.verification.transforms import (
    Matrix,
    applied,
    fitted_affine,
    fitted_homography,
    fitted_similarity,
    overlaps,
    parts,
    plausible,
)

RATIO = 0.88  # of distances; geometry decides, so more is let through than Lowe's 0.8
MOST_MATCHES = 400
MOST_HYPOTHESES = 120
FEWEST_INLIERS = 4
LOCATION_TOLERANCE = 0.012  # of the sample's longer side, at a point where a hypothesis was made
DRIFT_TOLERANCE = 0.1  # of the distance from there: one point's size and angle are rough
SIZE_TOLERANCE = math.log(1.6)
ANGLE_TOLERANCE = 25.0  # degrees
ALIKE = 0.80  # cosine of descriptors that a known place makes credible
AFFINE_INLIERS, HOMOGRAPHY_INLIERS = 12, 40

Pairs = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Geometry:
    """How one picture's pixels lie in another's.

    ``transform`` (3, 3) takes query pixels to sample pixels, both counted from the corner of the
    first pixel. Where ``mirrored``, ``rotation_deg`` (clockwise) follows an exchange of left and
    right. ``scale`` is sample pixels a query pixel; the overlaps are the fractions of each
    picture's area that the other one covers. ``support`` is the fraction of the query's points in
    the matched area that were found again; ``confidence`` runs from 0 to 1.
    """

    inliers: int
    transform: Matrix
    mirrored: bool
    rotation_deg: float
    scale: float
    query_overlap: float
    sample_overlap: float
    support: float
    confidence: float


@dataclass(frozen=True)
class _Fit:
    """A transform, and the pairs (n, 2) of places it explains."""

    transform: Matrix
    pairs: Pairs


def match_features(
    query: LocalFeatures, sample: LocalFeatures, *, mirrored_query: LocalFeatures | None = None
) -> Geometry | None:
    """Return the best geometry that takes the query onto the sample, also mirrored, or None.

    One match of scale-invariant points proposes a similarity (Lowe 2004); the proposal that most
    others agree with is refined, then points are matched again around where it predicts them.
    ``mirrored_query`` saves making it anew for every sample.
    """
    if min(len(query), len(sample)) < FEWEST_INLIERS:
        return None
    plain = _matched(query, sample)
    other = mirrored_query or query.mirrored()
    mirrored = _matched(other, sample)
    if mirrored is None or (plain is not None and len(plain.pairs) >= len(mirrored.pairs)):
        return None if plain is None else _geometry(query, sample, plain)
    flip = np.array([[-1, 0, query.width], [0, 1, 0], [0, 0, 1.0]])
    found = _geometry(other, sample, mirrored)
    return None if found is None else _reflected(found, flip)


def _reflected(found: Geometry, flip: Matrix) -> Geometry:
    values = {**vars(found), "transform": found.transform @ flip, "mirrored": True}
    return Geometry(**values)


def _matched(query: LocalFeatures, sample: LocalFeatures) -> _Fit | None:
    """Return the transform that explains most, among those that need no reflection."""
    alike = query.unit @ sample.unit.T
    tentative = _tentative(alike)
    if len(tentative) < FEWEST_INLIERS:
        return None
    best: _Fit | None = None
    for pairs in _proposals(query, sample, tentative):
        fit = _refined(query, sample, tentative, pairs)
        if fit is not None and (best is None or len(fit.pairs) > len(best.pairs)):
            best = fit
    return None if best is None else _guided(query, sample, alike, best)


def _tentative(alike: Float32) -> Pairs:
    """Return pairs (n, 2) of nearest neighbours, the most distinctive first."""
    rows = np.arange(len(alike))
    nearest = alike.argmax(axis=1)
    first = alike[rows, nearest]
    alike[rows, nearest] = -1  # for a moment: a copy would cost more than the search
    second = alike.max(axis=1)
    alike[rows, nearest] = first
    ratio = (1 - first) / np.maximum(1 - second, 1e-6)
    passed = np.flatnonzero(ratio < RATIO**2)
    kept = passed[np.argsort(ratio[passed], kind="stable")][:MOST_MATCHES]
    return np.column_stack([kept, nearest[kept]])


def _proposals(query: LocalFeatures, sample: LocalFeatures, pairs: Pairs) -> list[Pairs]:
    """Return the sets of pairs that agree with one of them, the three largest that differ."""
    q, s = pairs[:, 0], pairs[:, 1]
    source, target = query.points[q], sample.points[s]
    size = np.log(sample.sizes[s] / query.sizes[q])
    turn = np.radians(sample.angles[s] - query.angles[q])
    seeds = slice(0, MOST_HYPOTHESES)
    scale = np.exp(size[seeds])
    cosine, sine = (scale * np.cos(turn[seeds]))[:, None], (scale * np.sin(turn[seeds]))[:, None]
    dx = source[None, :, 0] - source[seeds, None, 0]
    dy = source[None, :, 1] - source[seeds, None, 1]
    ex = cosine * dx - sine * dy - (target[None, :, 0] - target[seeds, None, 0])
    ey = sine * dx + cosine * dy - (target[None, :, 1] - target[seeds, None, 1])
    distance = scale[:, None] * np.hypot(dx, dy)
    allowed = LOCATION_TOLERANCE * max(sample.width, sample.height) + DRIFT_TOLERANCE * distance
    agrees = np.hypot(ex, ey) < allowed
    agrees &= np.abs(size[None] - size[seeds, None]) < SIZE_TOLERANCE
    agrees &= np.cos(turn[None] - turn[seeds, None]) > math.cos(math.radians(ANGLE_TOLERANCE))
    chosen: list[Pairs] = []
    counts = agrees.sum(axis=1)
    while len(chosen) < 3 and counts.max() >= FEWEST_INLIERS:
        members = agrees[counts.argmax()]
        chosen.append(np.flatnonzero(members))
        counts = np.where(agrees @ members > 0.5 * counts, 0, counts)
    return chosen


def _refined(
    query: LocalFeatures, sample: LocalFeatures, tentative: Pairs, members: Int64
) -> _Fit | None:
    """Fit a transform to the members, then to whatever comes near, closer and closer."""
    reach = max(sample.width, sample.height)
    source, target = query.points[tentative[:, 0]], sample.points[tentative[:, 1]]
    transform = np.eye(3)
    for tolerance in (0.03, 0.02, 0.012, 0.012):
        laid = _laid_down(source[members], target[members], (query.width, query.height))
        if laid is None:
            return None
        transform = laid
        error = np.hypot(*(applied(transform, source) - target).T)
        members = np.flatnonzero(error < tolerance * reach)
        if len(members) < FEWEST_INLIERS:
            return None
    return _Fit(transform, _once(tentative[members], error[members]))


def _laid_down(source: Float32, target: Float32, size: tuple[int, int]) -> Matrix | None:
    """Fit a similarity, or what also stretches where more than a few pairs say so."""
    if len(source) >= AFFINE_INLIERS and _wide(source):
        stretched = fitted_affine(source, target)
        if plausible(stretched, size):
            return stretched
    transform = fitted_similarity(source, target)
    return transform if plausible(transform, size) else None


def _once(pairs: Pairs, cost: npt.NDArray[np.floating]) -> Pairs:
    """Keep each point of either picture once, in the cheapest of its pairs."""
    pairs = pairs[np.argsort(cost, kind="stable")]
    for side in (0, 1):
        _, first = np.unique(pairs[:, side], return_index=True)
        pairs = pairs[np.sort(first)]
    return pairs


def _guided(query: LocalFeatures, sample: LocalFeatures, alike: Float32, fit: _Fit) -> _Fit | None:
    """Match again around the predicted places, and let the transform bend where many agree."""
    reach = max(sample.width, sample.height)
    for tolerance in (0.015, 0.008, 0.006):
        pairs = _near(query, sample, alike, fit.transform, tolerance * reach)
        if len(pairs) < FEWEST_INLIERS:
            return None
        transform = _bent(query, sample, pairs)
        if transform is None:
            return None
        fit = _Fit(transform, pairs)
    return fit


def _near(
    query: LocalFeatures, sample: LocalFeatures, alike: Float32, transform: Matrix, reach: float
) -> Pairs:
    """Return the pairs, each point once, of alike points that the transform brings together."""
    _, turn, scale = parts(transform, (query.width, query.height))
    place = applied(transform, query.points).astype(np.float32)
    q, s = np.nonzero(alike > ALIKE)
    apart = np.hypot(*(place[q] - sample.points[s]).T)
    size = np.log(sample.sizes[s] / (query.sizes[q] * scale))
    turned = np.radians(sample.angles[s] - query.angles[q] - turn)
    allowed = np.minimum(reach, 0.5 * sample.sizes[s] + 0.3 * reach)
    good = (apart < allowed) & (np.abs(size) < SIZE_TOLERANCE)
    good &= np.cos(turned) > math.cos(math.radians(ANGLE_TOLERANCE))
    pairs = np.column_stack([q[good], s[good]]).astype(np.int64)
    return _once(pairs, 1 - alike[q[good], s[good]])


def _bent(query: LocalFeatures, sample: LocalFeatures, pairs: Pairs) -> Matrix | None:
    """Return the richest transform that the pairs support: similarity, affine or homography."""
    source, target = query.points[pairs[:, 0]], sample.points[pairs[:, 1]]
    size = (query.width, query.height)
    laid = _laid_down(source, target, size)
    if laid is None:
        return None
    best: Matrix = laid
    if len(pairs) >= HOMOGRAPHY_INLIERS and _wide(source):
        bent = fitted_homography(source, target)
        if bent is not None and plausible(bent, size):
            before, after = (_error(each, source, target) for each in (best, bent))
            best = bent if after < 0.8 * before else best
    return best


def _error(transform: Matrix, source: Float32, target: Float32) -> float:
    return float(np.median(np.hypot(*(applied(transform, source) - target).T)))


def _wide(points: Float32) -> bool:
    """Whether points are spread in both directions, so that more than a similarity is known."""
    smaller, larger = np.sqrt(np.linalg.eigvalsh(np.cov(points.T)))
    return bool(smaller > 0.15 * larger)


def _geometry(query: LocalFeatures, sample: LocalFeatures, fit: _Fit) -> Geometry | None:
    size, there = (query.width, query.height), (sample.width, sample.height)
    mirrored, rotation, scale = parts(fit.transform, size)
    here_share, there_share = overlaps(fit.transform, size, there)
    inliers = _places(query.points[fit.pairs[:, 0]], size)
    support = _support(query, sample, fit)
    return Geometry(
        inliers=inliers,
        transform=fit.transform,
        mirrored=mirrored,
        rotation_deg=rotation,
        scale=scale,
        query_overlap=here_share,
        sample_overlap=there_share,
        support=support,
        confidence=_confidence(inliers, support),
    )


def _places(points: Float32, size: tuple[int, int]) -> int:
    """Count points that lie apart: one place with several sizes or angles is one witness."""
    step = max(1.0, 0.006 * max(size))
    return len(np.unique(np.floor(points / step), axis=0))


def _support(query: LocalFeatures, sample: LocalFeatures, fit: _Fit) -> float:
    """Return the fraction of points within the matched points' frame that were found again.

    Of both pictures the one where more was found, since the other may simply be finer.
    """
    shares = []
    for features, places in ((query, fit.pairs[:, 0]), (sample, fit.pairs[:, 1])):
        matched = features.points[places]
        low, high = matched.min(axis=0), matched.max(axis=0)
        inside = ((features.points >= low) & (features.points <= high)).all(axis=1)
        shares.append(len(places) / max(1, int(inside.sum())))
    return max(shares)


def _confidence(inliers: int, support: float) -> float:
    """Return how sure the geometry is."""
    evidence = inliers * min(1.0, support / 0.2)
    return float(1 / (1 + math.exp(-(evidence - 10) / 2)))
