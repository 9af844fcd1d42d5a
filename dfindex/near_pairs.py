"""Near-duplicates among some samples: candidates by the index, verified by their pixels."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache, partial

import numpy as np

from dfindex.sample_pictures import Opened, open_sample
from indexer.errors import IndexDamagedError
from indexer.store.catalog import Catalog
from indexer.store.durable import read_sealed_json, write_sealed_json
from indexer.store.space import Space
from indexer.types import Int64, Sample
from search.compare import compare_images
from search.features import LocalFeatures
from search.verdict import Verdict
from search.verify import match_features

NEAREST = 2  # neighbours of each sample that are looked at
LEAST_SCORE = 0.5
MOST_PAIRS = 20_000  # the nearest ones
LIKELY = 0.1  # confidence of a geometry whose pixels are then compared
CERTAIN = 0.995  # unit vectors so near that, where the files are gone, they are called one picture
KEPT_OPEN = 1_000  # pictures whose local features are in memory at once
REMEMBERED = "near-pairs.json"
RATIO = 0.8
FEWEST_POINTS = 16
FEWEST_DISTINCT = 16  # pictures of different faces share up to 13, half a picture 22 and more
_COPIES = (Verdict.EXACT, Verdict.COPY, Verdict.ALTERED_COPY)

Pair = tuple[int, int]


def near_pairs(catalog: Catalog, space: Space, ids: Int64) -> list[Pair]:
    """Return the pairs of samples that show the same picture, smaller id first, rising.

    What people decided about a pair overrules the pixels. Samples of one content are left out:
    they share a group anyway.
    """
    samples = {one.id: one for one in catalog.samples(ids.tolist())}
    decisions = _decisions(catalog)
    verify = partial(_is_pair, samples, decisions, _opener(catalog))
    candidates = list(_candidates(space, ids, samples))
    with ThreadPoolExecutor(os.cpu_count() or 1) as threads:
        flags = list(threads.map(verify, candidates))
    found = {pair[:2] for pair, same in zip(candidates, flags, strict=True) if same}
    by_content = {one.sha256: one.id for one in samples.values()}
    for (a, b), decision in decisions.items():
        if decision == "same" and a in by_content and b in by_content:
            found.add(_ordered(by_content[a], by_content[b]))
    return sorted(found)


def remembered_pairs(catalog: Catalog, space: Space, ids: Int64) -> list[Pair]:
    """Return `near_pairs`, from the index where the same samples were looked at before."""
    path = catalog.index / "probes" / REMEMBERED
    decisions = sorted(_decisions(catalog).items())
    known = repr((space.row.fingerprint, ids.tolist(), decisions))
    key = hashlib.sha256(known.encode()).hexdigest()
    try:
        kept = read_sealed_json(path)
    except IndexDamagedError:
        kept = {}  # missing or damaged: it is only a memory
    if kept.get("key") == key:
        return [(int(a), int(b)) for a, b in kept["pairs"]]
    pairs = near_pairs(catalog, space, ids)
    write_sealed_json(path, {"key": key, "pairs": [list(pair) for pair in pairs]})
    return pairs


def _candidates(
    space: Space, ids: Int64, samples: dict[int, Sample]
) -> Iterator[tuple[int, int, float]]:
    """Yield pairs of near samples with their score, the nearest first."""
    embeddings = space.embeddings(ids.tolist())
    k = min(NEAREST + 1, len(embeddings))
    scores, near = space.neighbours(embeddings.vectors, k, allowed=embeddings.ids)
    pairs: dict[Pair, float] = {}
    for own, row, values in zip(embeddings.ids.tolist(), near, scores, strict=True):
        for other, score in zip(row.tolist(), values.tolist(), strict=True):
            far = other < 0 or score < LEAST_SCORE
            if not far and samples[own].sha256 != samples[other].sha256:
                pairs[_ordered(own, other)] = score
    best = sorted(pairs.items(), key=lambda item: (-item[1], item[0]))[:MOST_PAIRS]
    yield from ((a, b, score) for (a, b), score in best)


def _is_pair(
    samples: dict[int, Sample],
    decisions: dict[tuple[str, str], str],
    opened: partial[Opened | None],
    pair: tuple[int, int, float],
) -> bool:
    a, b = samples[pair[0]], samples[pair[1]]
    first, second = sorted((a.sha256, b.sha256))
    decision = decisions.get((first, second))
    if decision is not None:
        return decision == "same"
    one, other = opened(a), opened(b)
    if one is None or other is None:
        return pair[2] >= CERTAIN  # the files are gone: the vectors are all that is left
    if not _plausible(one.features, other.features):
        return False
    features = (one.features, other.features)
    return compare_images(one.image, other.image, features=features).verdict in _COPIES


def _plausible(a: LocalFeatures, b: LocalFeatures) -> bool:
    """Tell whether enough points of one picture stand out among those of the other.

    Quick: nearly all pairs of different pictures, such as two faces, end here.
    """
    if min(len(a), len(b)) < FEWEST_POINTS:
        return True  # too plain to tell: let the pixels speak
    if max(_distinct(a, b), _distinct(a.mirrored(), b)) < FEWEST_DISTINCT:
        return False
    geometry = match_features(a, b)
    return geometry is not None and geometry.confidence >= LIKELY


def _distinct(a: LocalFeatures, b: LocalFeatures) -> int:
    """Count the points of ``a`` whose nearest in ``b`` is much nearer than the second (Lowe)."""
    best = np.sort(a.unit @ b.unit.T, axis=1)[:, -2:]
    distances = np.sqrt(np.clip(2 - 2 * best, 0, None))
    return int((distances[:, 1] < RATIO * distances[:, 0]).sum())


def _opener(catalog: Catalog) -> partial[Opened | None]:
    return partial(lru_cache(KEPT_OPEN)(open_sample), catalog)


def _decisions(catalog: Catalog) -> dict[tuple[str, str], str]:
    rows = catalog.query("SELECT first, second, decision FROM decisions")
    return {(first, second): decision for first, second, decision in rows}


def _ordered(a: int, b: int) -> Pair:
    return (a, b) if a < b else (b, a)
