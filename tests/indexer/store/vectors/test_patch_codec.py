"""The patch compression keeps what matching needs: which token is nearest to which."""

from __future__ import annotations

import numpy as np
import pytest

from indexer.errors import IndexDamagedError
from indexer.store.vectors.patch_codec import PatchCodec


def tokens(seed: int, n: int = 500, dim: int = 64, rank: int = 12) -> np.ndarray:
    rng = np.random.default_rng(seed)
    basis = np.random.default_rng(99).normal(size=(rank, dim))
    return (rng.normal(size=(n, rank)) @ basis + 3).astype(np.float32)


def test_distances_survive_when_the_directions_suffice() -> None:
    codec = PatchCodec.fit(tokens(0), dim=16)
    fresh = tokens(1, n=50)[None]
    kept = codec.decode(codec.encode(fresh))[0]
    before = np.linalg.norm(fresh[0][:, None] - fresh[0][None], axis=2)
    after = np.linalg.norm(kept[:, None] - kept[None], axis=2)
    assert np.abs(after - before).max() < 0.03 * before.max()


def test_directions_are_the_principal_ones() -> None:
    codec = PatchCodec.fit(tokens(0), dim=12)
    np.testing.assert_allclose(codec.basis.T @ codec.basis, np.eye(12), atol=1e-5)
    centred = tokens(0) - tokens(0).mean(axis=0)
    _, values, _ = np.linalg.svd(centred, full_matrices=False)
    np.testing.assert_allclose(
        np.linalg.norm(centred @ codec.basis, axis=0), values[:12], rtol=1e-4
    )


def test_a_row_takes_the_bytes_it_says() -> None:
    codec = PatchCodec.fit(tokens(0), dim=16)
    rows = codec.encode(tokens(1, n=40).reshape(2, 20, 64))
    assert rows.shape == (2, codec.row_bytes(20)) == (2, 20 * (16 + 4))
    assert rows.dtype == np.uint8


def test_constant_tokens_decode_to_zero() -> None:
    codec = PatchCodec.fit(tokens(0), dim=4)
    flat = np.broadcast_to(codec.mean, (1, 5, 64)).astype(np.float32)
    assert np.abs(codec.decode(codec.encode(flat))).max() < 1e-4


def test_bytes_round_trip_and_damage() -> None:
    codec = PatchCodec.fit(tokens(0), dim=4)
    data = codec.to_bytes()
    again = PatchCodec.from_bytes(data)
    np.testing.assert_array_equal(again.mean, codec.mean)
    np.testing.assert_array_equal(again.basis, codec.basis)
    for broken in (b"", data[:200], data[:300] + b"\0" * 20 + data[320:]):
        with pytest.raises(IndexDamagedError):
            PatchCodec.from_bytes(broken)
