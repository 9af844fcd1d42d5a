"""The temporal head sees the order of frames, which the mean-pooled baseline cannot."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from indexer.build import BuildOptions, build
from indexer.errors import UsageError
from indexer.store.reader import IndexReader
from indexer.store.writer import IndexWriter
from indexer.types import unit
from probes.heads.temporal import TemporalHead, _rate, clips_of, evaluate_temporal
from tests.fake_encoder import MeanColour
from tests.indexer.test_video_build import patch
from tests.videos import clip, steady


def clips(count: int, seed: int, dim: int = 16) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """Return sequences whose frames drift one way (class 1) or the other; their means agree."""
    rng = np.random.default_rng(seed)
    way = unit(rng.normal(size=(1, dim)).astype(np.float32))[0]
    y = np.arange(count) % 2
    drift = np.linspace(-1, 1, 12)[None, :, None] * np.where(y == 1, 1, -1)[:, None, None] * way
    X = drift + 0.4 * rng.normal(size=(count, 12, dim)) + 0.6 * rng.normal(size=(count, 1, dim))
    return unit(X), y, [f"source {at // 4}" for at in range(count)]


@pytest.mark.slow
def test_order_is_seen_by_the_temporal_head_only() -> None:
    X, y, groups = clips(160, seed=0)
    report = evaluate_temporal(X, y, groups, folds=2, epochs=40, device="cpu")
    assert report.temporal_auc > 0.9
    assert 0.3 < report.mean_pooled_auc < 0.7
    assert (report.clips, report.groups, report.folds) == (160, 40, 2)


@pytest.mark.slow
def test_what_the_mean_shows_is_seen_by_both() -> None:
    rng = np.random.default_rng(1)
    y = (np.arange(120) % 6 == 0).astype(np.int64)  # one in six
    X = unit(rng.normal(size=(120, 12, 8)) + 0.8 * y[:, None, None])
    report = evaluate_temporal(X, y, [str(at // 2) for at in range(120)], folds=2, epochs=30,
                               device="cpu")  # fmt: skip
    assert report.temporal_auc > 0.95
    assert report.mean_pooled_auc > 0.95


@pytest.mark.slow
def test_a_seed_fixes_the_fit() -> None:
    X, y, _ = clips(40, seed=2)
    first, again = (TemporalHead(epochs=1, device="cpu").fit(X, y) for _ in range(2))
    np.testing.assert_array_equal(first.predict_proba(X), again.predict_proba(X))
    other = TemporalHead(epochs=1, seed=1, device="cpu").fit(X, y)
    assert np.abs(other.predict_proba(X) - first.predict_proba(X)).max() > 1e-4
    assert np.allclose(first.predict_proba(X).sum(axis=1), 1)


def test_the_rate_warms_up_over_a_tenth_and_falls_as_a_cosine() -> None:
    rates = [_rate(step, 100) for step in range(100)]
    assert rates[:10] == pytest.approx([0.1 * step for step in range(1, 11)])
    assert rates[55] == pytest.approx(0.5, abs=0.02)
    assert rates[99] < 0.01


def test_groups_are_needed_on_both_sides() -> None:
    X, y, _ = clips(20, seed=3)
    with pytest.raises(UsageError, match="at least 2 source videos"):
        evaluate_temporal(X, y, ["one"] * 20)
    with pytest.raises(ValueError, match="classes 0 and 1"):
        TemporalHead().fit(X, np.ones(20, np.int64))


def test_sequences_come_from_the_index_with_thinned_frames_back(tmp_path: Path) -> None:
    root = tmp_path / "corpus"
    root.mkdir()
    clip(root / "a.mp4", steady(100), draw=lambda number: patch(number // 50))
    clip(root / "b.mp4", steady(96), draw=lambda number: patch(100 + number // 8))
    shutil.copy(root / "a.mp4", root / "again.mp4")
    options = BuildOptions(workers=1, batch_size=4, loaded_from="mean-colour")
    with IndexWriter(tmp_path / "index") as writer:
        build(writer, MeanColour(), [root], options)
    with IndexReader(tmp_path / "index") as reader:
        names = {sample.path[-5:]: sample.sha256
                 for sample in reader.catalog.samples(reader.space().ids().tolist())}  # fmt: skip
        found = clips_of(reader.catalog, reader.space(), [names["a.mp4"], "0" * 64, names["b.mp4"]])
    assert found.contents == (names["a.mp4"], names["b.mp4"])
    assert found.vectors.shape == (2, 12, 12)
    first, second = found.vectors
    assert (first[:6] == first[0]).all()
    assert (first[6:] == first[6]).all()
    assert float(first[0] @ first[6]) < 0.99
    drawn = [patch(100 + part)[::48, ::96].reshape(12) / 255 - 0.5 for part in range(12)]
    np.testing.assert_array_less(0.95, np.einsum("fd,fd->f", second, unit(np.array(drawn))))
