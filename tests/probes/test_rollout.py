"""Rollout and its relatives, against the matrices of the papers written out, and by hand."""

from __future__ import annotations

import numpy as np

from probes.maps import patch_logits, top_regions
from probes.rollout import gradient_rollout, rollout


def random_maps(blocks: int = 4, tokens: int = 7) -> np.ndarray:
    raw = np.random.default_rng(1).random((blocks, tokens, tokens)).astype(np.float32)
    return raw / raw.sum(axis=2, keepdims=True)


def test_rollout_is_the_papers_product_of_matrices() -> None:
    maps = random_maps()
    whole = np.eye(7)
    for block in maps:
        mixed = 0.5 * block.astype(np.float64) + 0.5 * np.eye(7)
        whole = (mixed / mixed.sum(axis=1, keepdims=True)) @ whole
    assert np.allclose(whole.sum(axis=1), 1)
    assert np.allclose(rollout(maps, prefix=1), whole[0, 1:], atol=1e-7)
    assert np.allclose(rollout(maps, prefix=3), whole[0, 3:], atol=1e-7)


def test_rollout_by_hand() -> None:
    # One block in which the class token looks at patch 2 alone: half stays with itself.
    maps = np.zeros((1, 3, 3), np.float32)
    maps[0] = [[0, 0, 1], [0, 1, 0], [0, 0, 1]]
    assert rollout(maps, prefix=1).tolist() == [0.0, 0.5]


def test_gradient_rollout_is_the_papers_recursion() -> None:
    maps = random_maps()
    relevance = np.eye(7)
    for block in maps:
        relevance = relevance + block.astype(np.float64) @ relevance
    assert np.allclose(gradient_rollout(maps, prefix=1), relevance[0, 1:], rtol=1e-5)


def test_patch_logits_are_the_head_on_each_token() -> None:
    patches = np.array([[1.0, 2.0], [3.0, -1.0]], np.float32)
    assert patch_logits(patches, np.array([2.0, 1.0], np.float32), 0.5).tolist() == [4.5, 5.5]


def test_regions_that_stand_out() -> None:
    values = np.full((10, 10), 0.1, np.float32)
    values[2:4, 3:6] = 5.0
    values[8, 8] = 2.0
    first, second = top_regions(values)
    assert first.box == (3, 2, 3, 2) and first.peak == 5.0
    assert abs(first.share - 30.0 / values.sum()) < 1e-6
    assert second.box == (8, 8, 1, 1)
    assert top_regions(np.ones((4, 4), np.float32)) == []
    assert top_regions(-np.ones((4, 4), np.float32)) == []
