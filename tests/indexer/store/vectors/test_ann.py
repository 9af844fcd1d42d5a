"""Every vector index keeps the contract; exhaustive numpy search is the judge."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from indexer.errors import IndexDamagedError
from indexer.store.vectors.ann import FaissIndex, VectorIndex, merge, recall
from indexer.types import Embeddings, unit

Build = Callable[[Embeddings], VectorIndex]

ENGINES: dict[str, tuple[Build, float]] = {
    "flat": (lambda e: FaissIndex.build(e), 1.0),
    "hnsw32,sq8": (lambda e: FaissIndex.build(e, exact_up_to=0), 0.9),
}


def clustered(n: int, dim: int = 24, seed: int = 0) -> Embeddings:
    rng = np.random.default_rng(seed)
    centres = rng.normal(size=(40, dim))
    vectors = centres[rng.integers(40, size=n)] + 0.4 * rng.normal(size=(n, dim))
    ids = rng.permutation(10 * n)[:n].astype(np.int64)
    return Embeddings(ids, unit(vectors))


def exhaustive(e: Embeddings, queries: np.ndarray, k: int, keep: np.ndarray) -> np.ndarray:
    similarities = queries @ e.vectors.T
    similarities[:, ~keep] = -np.inf
    return np.take_along_axis(similarities, np.argsort(-similarities, axis=1), 1)[:, :k]


@pytest.fixture(params=list(ENGINES))
def engine(request: pytest.FixtureRequest) -> tuple[Build, float]:
    return ENGINES[request.param]


@pytest.mark.parametrize("restriction", ["none", "allowed", "excluded", "both"])
def test_search_agrees_with_exhaustive_search(
    engine: tuple[Build, float], restriction: str
) -> None:
    build, at_least = engine
    embeddings = clustered(1500)
    rng = np.random.default_rng(1)
    queries = unit(rng.normal(size=(30, 24)) + embeddings.vectors[:30] * 3)
    allowed = rng.choice(embeddings.ids, 700, replace=False)
    excluded = rng.choice(embeddings.ids, 300, replace=False)
    keep = np.ones(1500, bool)
    given: dict[str, np.ndarray] = {}
    if restriction in ("allowed", "both"):
        keep &= np.isin(embeddings.ids, allowed)
        given["allowed"] = allowed
    if restriction in ("excluded", "both"):
        keep &= ~np.isin(embeddings.ids, excluded)
        given["excluded"] = excluded
    scores, ids = build(embeddings).search(queries, 10, **given)
    expected = exhaustive(embeddings, queries, 10, keep)
    assert scores.shape == ids.shape == (30, 10)
    assert np.isin(ids, embeddings.ids[keep]).all()
    assert (np.diff(scores, axis=1) <= 0).all()
    hits = (scores >= expected[:, -1:] - 1e-3).mean()
    assert hits >= at_least


def test_flat_scores_are_cosine_similarities() -> None:
    embeddings = clustered(300)
    scores, ids = FaissIndex.build(embeddings).search(embeddings.vectors[:5], 3)
    expected = exhaustive(embeddings, embeddings.vectors[:5], 3, np.ones(300, bool))
    np.testing.assert_allclose(scores, expected, atol=1e-6)
    assert ids[:, 0].tolist() == embeddings.ids[:5].tolist()


def test_fewer_vectors_than_asked_for_pad_with_minus_one(engine: tuple[Build, float]) -> None:
    embeddings = clustered(5)
    scores, ids = engine[0](embeddings).search(embeddings.vectors[:1], 9)
    assert sorted(ids[0, :5].tolist()) == sorted(embeddings.ids.tolist())
    assert (ids[0, 5:] == -1).all()
    assert np.isneginf(scores[0, 5:]).all()


def test_saved_and_loaded_answers_the_same(engine: tuple[Build, float], tmp_path: Path) -> None:
    embeddings = clustered(400)
    index = engine[0](embeddings)
    index.save(tmp_path / "x.faiss")
    loaded = FaissIndex.load(tmp_path / "x.faiss", index.kind)
    for one, other in zip(
        index.search(embeddings.vectors[:9], 7),
        loaded.search(embeddings.vectors[:9], 7),
        strict=True,
    ):
        np.testing.assert_array_equal(one, other)


def test_a_truncated_file_is_damage(tmp_path: Path) -> None:
    path = tmp_path / "x.faiss"
    FaissIndex.build(clustered(50)).save(path)
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(IndexDamagedError, match="cannot be read"):
        FaissIndex.load(path, "flat")


def test_merge_takes_the_best_of_all_parts() -> None:
    one = (np.array([[0.9, 0.1]], np.float32), np.array([[1, 2]], np.int64))
    other = (np.array([[0.5, -np.inf]], np.float32), np.array([[3, -1]], np.int64))
    scores, ids = merge([one, other], 3)
    assert ids.tolist() == [[1, 3, 2]]
    np.testing.assert_allclose(scores, [[0.9, 0.5, 0.1]])


def test_recall_is_one_for_exact_search_and_falls_for_a_bad_index() -> None:
    embeddings = clustered(600)

    class Reversed(FaissIndex):
        def search(self, queries, k, **_):  # type: ignore[no-untyped-def]
            return super().search(-queries, k)

    halves = [
        Embeddings(embeddings.ids[part], embeddings.vectors[part])
        for part in (slice(0, 250), slice(250, None))
    ]
    whole = FaissIndex.build_from(halves, count=600, dim=24)
    assert recall(whole, lambda: halves) == 1.0
    worst = Reversed(whole._index, "flat")
    assert recall(worst, lambda: halves) < 0.05
    approximate = FaissIndex.build_from(halves, count=600, dim=24, exact_up_to=0)
    assert approximate.kind == "hnsw32,sq8"
    assert len(approximate) == 600
    assert 0.9 < recall(approximate, lambda: halves) <= 1.0


@pytest.mark.parametrize(
    ("vectors", "ids", "message"),
    [
        ([[np.nan, 1.0]], [1], "NaN"),
        ([[1.0, 0.0], [0.0, 1.0]], [4, 4], "twice"),
        ([[3.0, 4.0]], [1], "unit length"),
    ],
)
def test_what_faiss_would_accept_in_silence_is_refused(
    vectors: list[list[float]], ids: list[int], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        Embeddings(np.array(ids, np.int64), np.array(vectors, np.float32))


@pytest.mark.parametrize("share", [0.5, 0.1, 0.01, 0.001])
@pytest.mark.parametrize("chosen", ["random", "far"])
@pytest.mark.parametrize("queries", [3, 40])
@pytest.mark.parametrize("exact_up_to", [0, 1000, 10_000])
def test_a_filter_loses_nothing_however_few_it_lets_through(
    crowd: tuple[Embeddings, FaissIndex], share: float, chosen: str, queries: int, exact_up_to: int
) -> None:
    embeddings, index = crowd
    index = FaissIndex(index._index, index.kind, exact_up_to=exact_up_to)
    rng = np.random.default_rng(3)
    asked = unit(embeddings.vectors[:queries] + 0.05 * rng.normal(size=(queries, 24)))
    order = rng.permutation(len(embeddings))
    if chosen == "far":  # what is let through lies nowhere near any query
        order = np.argsort((embeddings.vectors @ asked.T).max(axis=1))
    kept = np.zeros(len(embeddings), bool)
    kept[order[: max(10, int(share * len(embeddings)))]] = True
    _, ids = index.search(asked, 40, allowed=embeddings.ids[kept])
    assert np.isin(ids[ids >= 0], embeddings.ids[kept]).all()
    assert ((ids >= 0).sum(axis=1) == min(40, kept.sum())).all()
    place = {number: at for at, number in enumerate(embeddings.ids.tolist())}
    true = [
        sorted(float(query @ embeddings.vectors[place[one]]) for one in row if one >= 0)[-10:]
        for query, row in zip(asked, ids.tolist(), strict=True)
    ]  # as the caller scores them again
    expected = exhaustive(embeddings, asked, 10, kept)
    assert (np.array(true) >= expected[:, -1:] - 1e-6).mean() >= 0.99


@pytest.fixture(scope="module")
def crowd() -> tuple[Embeddings, FaissIndex]:
    embeddings = clustered(6000)
    return embeddings, FaissIndex.build(embeddings, exact_up_to=0)
