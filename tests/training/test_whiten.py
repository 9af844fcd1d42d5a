"""Whitening folded into the weights, against whitening computed on the tokens."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from training.model import CopyViT, Shape, State, build
from training.whiten import FLOOR, whitened


@pytest.fixture(scope="module")
def pixels() -> torch.Tensor:
    coarse = torch.rand(500, 3, 2, 2, generator=torch.Generator().manual_seed(1))
    return F.interpolate(coarse, 32, mode="bilinear") * 2 - 1


@pytest.fixture(scope="module")
def state() -> State:
    torch.manual_seed(2)
    model = CopyViT(Shape(depth=2, image=32))
    with torch.no_grad():
        for tensor in model.parameters():
            tensor += torch.randn_like(tensor) * 0.05
    return model.state_dict()


@torch.inference_mode()
def class_tokens(state: State, pixels: torch.Tensor) -> torch.Tensor:
    return build(state).eval()(pixels)[:, 0].double()


def cosines(rows: torch.Tensor) -> torch.Tensor:
    unit = F.normalize(rows, dim=1)
    return unit @ unit.T


@pytest.mark.slow
@pytest.mark.parametrize("power", [0.25, 0.5])
def test_the_weights_do_what_whitening_the_tokens_does(state, pixels, power):
    before = class_tokens(state, pixels)
    variance, basis = torch.linalg.eigh(torch.cov(F.normalize(before, dim=1).T))
    scale = (variance.clamp(min=0) + FLOOR * variance.max()) ** -power
    expected = cosines(before @ basis * scale)
    after = cosines(class_tokens(whitened(state, before.float(), power), pixels))
    error = (after - expected).abs().mean()
    assert error < 0.02
    assert error < 0.2 * (cosines(before) - expected).abs().mean()


@pytest.mark.slow
def test_power_nought_turns_everything_and_changes_no_cosine(state, pixels):
    before = class_tokens(state, pixels)
    turned = whitened(state, before.float(), 0.0)
    assert (turned["positions"] - state["positions"]).abs().max() > 0.01
    after = class_tokens(turned, pixels)
    assert (cosines(after) - cosines(before)).abs().max() < 0.02
    assert after.norm(dim=1).mean() == pytest.approx(before.norm(dim=1).mean().item(), rel=0.05)
