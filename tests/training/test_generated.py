"""Pictures drawn by code: seeded, and likenesses that resemble their family only."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from training.generated import FAMILIES, KINDS, generate, likeness


@pytest.mark.parametrize("kind", sorted(set(KINDS), key=lambda kind: kind.__name__))
def test_every_kind_is_the_same_for_the_same_seed_only(kind):
    one, again, other = (kind(np.random.default_rng(seed), 64, 80) for seed in (1, 1, 2))
    assert (one.shape, one.dtype) == ((64, 80, 3), np.uint8)
    assert (one == again).all()
    assert (one != other).any()


def test_generate_draws_every_size():
    assert generate(np.random.default_rng(0), 40, 90).shape == (40, 90, 3)


def test_a_likeness_looks_like_its_family_and_equals_no_other():
    members: dict[int, list[np.ndarray]] = {}
    for seed in range(400):
        family = int(np.random.default_rng(seed).integers(FAMILIES))
        if family < 12:
            drawn = likeness(np.random.default_rng(seed), 64, 80)
            members.setdefault(family, []).append(cv2.resize(drawn, (8, 8)).astype(float))
    families = [rows for rows in members.values() if len(rows) > 1]
    assert len(families) > 5
    centres = [np.mean(rows, axis=0) for rows in families]
    for number, rows in enumerate(families):
        for row in rows:
            distances = [np.abs(row - centre).mean() for centre in centres]
            assert int(np.argmin(distances)) == number
        assert all(np.abs(one - rows[0]).mean() > 1 for one in rows[1:])
