"""Which samples may be what a query was made from: few enough that each can be looked at.

Two independent witnesses are asked. The encoder compares whole pictures, of several views of the
query; it finds blurred, recoloured and recompressed copies, mirrored and turned ones. Keypoints
find what kept a part of the picture: crops, pastes, collages, screenshots.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import chain, zip_longest

import numpy as np
from PIL import Image

from indexer.extract import embed
from indexer.store.vectors.space import Space
from indexer.types import Encoder, Float32, Int64
from search.keypoint_votes import WORTH, query_keypoints, votes
from search.views import views

BY_VIEW = 8  # nearest samples of each view that are considered
NEAR = 6  # nearest samples worth a look at their pixels, of the picture and of its views
MOST_SHARED = 8  # samples worth a look for their votes


@dataclass(frozen=True)
class Candidate:
    """A sample that may hold the query's original.

    ``score`` is the cosine similarity of the whole pictures; ``votes`` count keypoints shared in
    one geometry, each by its likeness, 0 to 1. ``promising`` ones are worth a look at the pixels.
    """

    id: int
    score: float
    votes: float
    promising: bool


def candidates(
    image: Image.Image,
    vector: Float32,
    space: Space,
    encoder: Encoder,
    *,
    count: int,
    allowed: Int64 | None = None,
    besides: Collection[int] = (),
    thorough: bool = True,
) -> list[Candidate]:
    """Return at most ``count`` samples, the most promising first.

    ``vector`` (D,) is the query's own; ``thorough`` also reads its views. Only ``allowed`` ids
    are considered. ``besides`` are samples of the query's very bytes, which are known already.
    """
    near = _ranked(space, vector[None], count, allowed)
    by_view = _by_view(image, space, encoder, allowed) if thorough else []
    shared = _votes(image, space, allowed, besides)
    by_votes = sorted(shared, key=lambda one: (-shared[one], one))
    worth = [one for one in by_votes if shared[one] >= WORTH][:MOST_SHARED]
    promising = _in_turns(worth, near[:NEAR], by_view)
    order = list(dict.fromkeys([*promising, *_in_turns(by_votes, near)]))[:count]
    scores = _scores(space, vector, order)
    looked_at = set(promising)
    return [
        Candidate(one, scores[one], shared.get(one, 0.0), one in looked_at)
        for one in order
        if one in scores
    ]


def _by_view(
    image: Image.Image, space: Space, encoder: Encoder, allowed: Int64 | None
) -> list[int]:
    """Return the samples nearest to any other view of the picture than the whole of it."""
    vectors = embed(views(image)[1:], encoder)
    return _ranked(space, vectors, BY_VIEW, allowed)[:NEAR]


def _in_turns(*lists: Sequence[int]) -> list[int]:
    """Take one of each list, then the next of each, and so on, each number once."""
    taken = chain.from_iterable(zip_longest(*lists))
    return list(dict.fromkeys(one for one in taken if one is not None))


def _ranked(space: Space, vectors: Float32, k: int, allowed: Int64 | None) -> list[int]:
    """Return the samples near any of the vectors, by their best similarity."""
    scores, ids = space.neighbours(vectors, k, allowed=allowed)
    order = np.argsort(-scores, axis=None, kind="stable")
    return list(dict.fromkeys(one for one in ids.ravel()[order].tolist() if one >= 0))


def _votes(
    image: Image.Image, space: Space, allowed: Int64 | None, besides: Collection[int]
) -> dict[int, float]:
    """Return the votes of the picture or of its mirror image, whichever has more."""
    index = space.keypoints
    with ThreadPoolExecutor(2, "votes") as threads:
        found_by = threads.map(
            lambda query: votes(query, index, allowed=allowed, besides=besides),
            query_keypoints(image),
        )
        plain, mirrored = found_by
    every = plain.keys() | mirrored.keys()
    return {one: max(plain.get(one, 0.0), mirrored.get(one, 0.0)) for one in every}


def _scores(space: Space, vector: Float32, ids: Sequence[int]) -> dict[int, float]:
    stored = space.embeddings(ids)
    return dict(zip(stored.ids.tolist(), (stored.vectors @ vector).tolist(), strict=True))
