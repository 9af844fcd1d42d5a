"""The map keeps neighbours together, is drawn once, and takes in what is new."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import dfindex
from indexer.types import unit
from search import projection as module
from search.projection import load, place, project
from tests.fake_encoder import NAME
from tests.marks import mostly_slow
from tests.pictures import corpus


def opened(folder: Path, count: int = 40) -> dfindex.Index:
    corpus(folder / "corpus", count)
    return dfindex.build([folder / "corpus"], index=folder / "index", encoder=NAME, workers=1)


def exhaustive(vectors: np.ndarray, k: int) -> np.ndarray:
    similarity = vectors @ vectors.T
    np.fill_diagonal(similarity, -np.inf)
    return -np.sort(-similarity, axis=1)[:, :k]


@pytest.mark.slow
def test_neighbours_are_those_of_exhaustive_search(tmp_path: Path) -> None:
    with opened(tmp_path) as index:
        found = project(index.space())
        vectors, samples = index.embeddings()
    assert found.ids.tolist() == [one.id for one in samples]
    np.testing.assert_allclose(found.similarities, exhaustive(vectors, 15), atol=1e-5)
    rows = np.searchsorted(found.ids, found.neighbours)
    own = np.einsum("nd,nkd->nk", vectors, vectors[rows])
    np.testing.assert_allclose(own, found.similarities, atol=1e-5)
    assert not (found.neighbours == found.ids[:, None]).any()


@pytest.mark.slow
def test_the_map_keeps_groups_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    group = np.repeat([0, 1], 60)
    centres = unit(rng.normal(size=(2, 12)))
    vectors = unit(centres[group] + 0.05 * rng.normal(size=(120, 12)))
    similarity = vectors @ vectors.T - 2 * np.eye(120)
    near = np.argsort(-similarity, axis=1)[:, :15]
    rows = np.concatenate([np.arange(120)[:, None], near], axis=1).astype(np.int32)
    distances = 1 - np.take_along_axis(similarity, rows.astype(np.int64), 1)
    distances[:, 0] = 0
    laid = module._umap(vectors, rows, np.clip(distances, 0, 2).astype(np.float32))
    gaps = np.linalg.norm(laid[:, None] - laid[None], axis=2) + 1e9 * np.eye(120)
    assert (group[gaps.argmin(axis=1)] == group).all()
    again = module._umap(vectors, rows, np.clip(distances, 0, 2).astype(np.float32))
    np.testing.assert_array_equal(laid, again)


@pytest.mark.slow
def test_a_kept_map_is_used_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = tmp_path / "map.npz"
    with opened(tmp_path) as index:
        first = project(index.space(), kept)
        monkeypatch.setattr(module, "_umap", None)
        again = project(index.space(), kept)
    np.testing.assert_array_equal(first.coordinates, again.coordinates)
    assert len(np.unique(first.clusters)) == first.clusters.max() + 1


@pytest.mark.slow
def test_a_damaged_map_is_drawn_again(tmp_path: Path) -> None:
    kept = tmp_path / "map.npz"
    with opened(tmp_path) as index:
        first = project(index.space(), kept)
        kept.write_bytes(kept.read_bytes()[: kept.stat().st_size // 2])
        assert load(kept) is None
        again = project(index.space(), kept)
    np.testing.assert_array_equal(first.coordinates, again.coordinates)


@pytest.mark.slow
def test_new_samples_are_placed_without_moving_the_others(tmp_path: Path) -> None:
    kept = tmp_path / "map.npz"
    with opened(tmp_path) as index:
        first = project(index.space(), kept)
    corpus(tmp_path / "more", 3, first_seed=500)
    again = dfindex.build([tmp_path / "more"], index=tmp_path / "index", encoder=NAME, workers=1)
    with again:
        second = project(again.space(), kept)
        vectors, _ = again.embeddings()
    assert len(second) == 43
    np.testing.assert_array_equal(second.coordinates[:40], first.coordinates)
    for row in range(40, 43):  # by hand: the weighted mean of the neighbours that were there
        similarity = vectors[:40] @ vectors[row]
        near = np.argsort(-similarity)[: int((second.neighbours[row] <= first.ids[-1]).sum())]
        weights = np.exp(10 * (similarity[near] - similarity[near].max()))
        expected = (weights[:, None] * first.coordinates[near]).sum(axis=0) / weights.sum()
        np.testing.assert_allclose(second.coordinates[row], expected, atol=1e-3)


@pytest.mark.slow
def test_a_query_is_placed_near_its_copy(tmp_path: Path) -> None:
    with opened(tmp_path) as index:
        found = project(index.space())
        vectors, _ = index.embeddings()
        placed = place(index.space(), found, vectors[[7]])
    low, high = found.coordinates.min(axis=0), found.coordinates.max(axis=0)
    assert ((placed >= low - 1e-5) & (placed <= high + 1e-5)).all()


@pytest.mark.parametrize("count", mostly_slow([0, 1, 2, 9], quick=2))
def test_small_corpora_have_a_map_too(tmp_path: Path, count: int) -> None:
    with opened(tmp_path, max(1, count)) as index:
        if count == 0:
            from dfindex.maintenance import remove

            remove(tmp_path / "index", [str(tmp_path / "corpus")])
            index = dfindex.open(tmp_path / "index")
        found = project(index.space())
        index.close()
    assert found.coordinates.shape == (count, 2)
    assert np.isfinite(found.coordinates).all()
    assert found.neighbours.shape == (count, max(0, min(15, count - 1)))
