"""The tests' own encoder does what its docstring says."""

from __future__ import annotations

import numpy as np
import pytest

import tests.fake_encoder
from indexer.encoders.registry import load
from indexer.types import unit


def test_its_arithmetic() -> None:
    picture = np.zeros((1, 32, 32, 3), np.uint8)
    picture[0, :16, 16:] = (255, 0, 51)
    features = load(tests.fake_encoder.NAME).encode(picture)
    expected = [-0.5, -0.5, -0.5, 0.5, -0.5, -0.3, *[-0.5] * 6]
    assert features.cls[0] == pytest.approx(expected, abs=1e-6)
    assert features.patches[0, 1, :3] == pytest.approx([0.5, -0.5, -0.3], abs=1e-6)
    assert not features.patches[0, :, 3:].any()
    assert features.logits is None


def test_white_and_black_are_opposite() -> None:
    pictures = np.stack([np.full((32, 32, 3), v, np.uint8) for v in (0, 255)])
    black, white = unit(tests.fake_encoder.MeanColour(dim=20).encode(pictures).cls)
    assert black @ white == pytest.approx(-1)
    assert len(white) == 20 and not white[12:].any()
