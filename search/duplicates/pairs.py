"""Pairs of a corpus that may be copies of each other, and a look at the pixels of each."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from indexer.errors import UnavailableError
from indexer.keypoints import Keypoints
from indexer.media.image import DecodedImage
from indexer.originals import Originals
from indexer.store.catalog.catalog import Catalog
from indexer.store.vectors.space import Space
from indexer.types import Absence, Int64, Sample
from search.calibration import null_scores
from search.evidence import NEEDED_SIDE, compare_decoded
from search.keypoint_votes import WORTH, votes
from search.results import Match
from search.verdict import Verdict
from search.verification.features import LocalFeatures, local_features

NEIGHBOURS = 10  # of each sample that are considered
BATCH = 512  # samples searched for at once
NON_MATCHING = 0.99  # share of the samples whose nearest other one does not match, at least
NORMALLY = 3.45  # times the way from the first quarter to the half leads from there to 0.99
SURELY_NEAR = 0.95  # cosine that non-matching pictures hardly reach
ASKED = 100  # keypoints of a sample that are searched for, spread over all its sizes
KEYPOINTS_UP_TO = 30_000  # samples: beyond, their keypoints would take more than 600 MB
WHOLE = 0.95  # of a picture's area: what shows less of another is the narrower view
KEPT_OPEN = 256  # pictures in memory with their local features


@dataclass(frozen=True)
class Pair:
    """Two samples that may be copies, the smaller id first, and their cosine similarity."""

    first: int
    second: int
    score: float


@dataclass(frozen=True)
class Relation:
    """What two samples are to each other; ``is_crop_of`` is the one that is a part of the other.

    Of videos, ``shares`` are the fractions of the first and the second that the other shows.
    """

    verdict: Verdict
    is_crop_of: int | None = None
    shares: tuple[float, float] | None = None


def related(
    relate: Callable[[Pair], Relation | None],
    pairs: Sequence[Pair],
    progress: Callable[[str, float], object] = lambda step, share: None,
) -> Iterator[tuple[Pair, Relation | None]]:
    """Yield each pair with its relation, on all cores; None stands for a file that is gone."""
    with ThreadPoolExecutor(os.cpu_count() or 1, "verify") as threads:
        try:
            found = threads.map(relate, pairs)
            for done, (pair, relation) in enumerate(zip(pairs, found, strict=True), start=1):
                progress("comparing pixels", done / len(pairs))
                yield pair, relation
        finally:
            threads.shutdown(cancel_futures=True)  # who stops does not wait for the rest


def candidate_pairs(space: Space, ids: Int64, *, min_score: float | None = None) -> list[Pair]:
    """Return the pairs worth a look, by their ids.

    Near in the space, or with keypoints in one geometry; with ``min_score`` only pairs at least
    that near.
    """
    found: dict[tuple[int, int], float] = {}
    near_from = _near_from(space) if min_score is None else min_score
    for start in range(0, len(ids), BATCH):
        batch = space.embeddings(ids[start : start + BATCH].tolist())
        scores, near = space.neighbours(batch.vectors, NEIGHBOURS + 1, allowed=ids)
        rows, columns = np.nonzero((scores >= near_from) & (near != batch.ids[:, None]))
        for row, column in zip(rows, columns, strict=True):
            low, high = sorted((int(batch.ids[row]), int(near[row, column])))
            found[low, high] = float(scores[row, column])
    if len(ids) <= KEYPOINTS_UP_TO:
        shared = set(_sharing_keypoints(space, ids)) - found.keys()
        found |= _scored(space, sorted(shared), min_score)
    return [Pair(low, high, found[low, high]) for low, high in sorted(found)]


class PairVerifier:
    """Compares the pixels of pairs; pictures it has opened stay open for the next ones.

    ``absent`` says of which samples the file could not be opened, by their ids.
    """

    def __init__(self, catalog: Catalog, space: Space, samples: dict[int, Sample]) -> None:
        self._space, self._samples = space, samples
        self._originals = Originals(catalog)
        self.absent: dict[int, Absence] = {}
        self._opened = lru_cache(KEPT_OPEN)(self._open)

    def relate(self, pair: Pair) -> Relation | None:
        """Compare the pixels of two samples; None where a file is gone or changed."""
        first, second = self._opened(pair.first), self._opened(pair.second)
        if first is None or second is None:
            return None
        found = compare_decoded(first[0], second[0], features=(first[1], second[1])).comparison
        return Relation(found.verdict, is_crop_of=_crop_of(pair, found.match))

    def score(self, first: int, second: int) -> float:
        """Return the cosine similarity of two samples."""
        vectors = self._space.embeddings([first, second]).vectors
        return float(vectors[0] @ vectors[1])

    def _open(self, id_: int) -> tuple[DecodedImage, LocalFeatures] | None:
        try:
            decoded = self._originals.open(self._samples[id_], at_least=NEEDED_SIDE)
        except UnavailableError as error:
            self.absent[id_] = error.why
            return None
        return decoded, local_features(decoded.image)


def _crop_of(pair: Pair, match: Match | None) -> int | None:
    """Return which picture lies wholly within the other, without covering it."""
    if match is None:
        return None
    if match.query_overlap >= WHOLE > match.sample_overlap:
        return pair.first
    return pair.second if match.sample_overlap >= WHOLE > match.query_overlap else None


def _near_from(space: Space) -> float:
    """Return the similarity that few samples reach to one that does not match.

    Where it looks as if that were a copy's, so many have copies that only the lower half of the
    samples tells of those; the rest is supposed to be spread as that half is, normally.
    """
    maxima = null_scores(space).maxima
    if not len(maxima):
        return SURELY_NEAR
    reached = float(np.quantile(maxima, NON_MATCHING))
    if reached >= SURELY_NEAR:
        quarter, half = np.quantile(maxima, [0.25, 0.5])
        reached = float(half + NORMALLY * (half - quarter))
    return min(reached, SURELY_NEAR)


def _sharing_keypoints(space: Space, ids: Int64) -> Iterator[tuple[int, int]]:
    wanted = set(ids.tolist())
    for numbers, rows in space.keypoint_rows():
        mine = np.isin(numbers, ids)
        with ThreadPoolExecutor(os.cpu_count() or 1, "votes") as threads:
            own_ids = numbers[mine].tolist()
            queries = (Keypoints.from_row(row).thinned(ASKED) for row in rows[mine])
            answers = threads.map(
                lambda query, own: votes(query, space.keypoints, besides=[own]), queries, own_ids
            )
            for own, shared in zip(own_ids, answers, strict=True):
                for other, found in shared.items():
                    if found >= WORTH and other != own and other in wanted:
                        yield min(own, other), max(own, other)


def _scored(
    space: Space, pairs: Sequence[tuple[int, int]], min_score: float | None
) -> dict[tuple[int, int], float]:
    ids = sorted({one for pair in pairs for one in pair})
    stored = space.embeddings(ids)
    places = {one: place for place, one in enumerate(stored.ids.tolist())}
    scores = {
        (a, b): float(stored.vectors[places[a]] @ stored.vectors[places[b]]) for a, b in pairs
    }
    return {
        pair: score for pair, score in scores.items() if min_score is None or score >= min_score
    }
