"""Hard negatives: which pictures meet in a step."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from training.batches import Plan, StepViews
from training.company import in_company, likes_of
from training.evaluate import encode
from training.model import CopyViT, Shape
from training.photos import draw_pictures

TOTAL, KINDS = 60, 6


@pytest.fixture
def likes():
    """Say that pictures are like those of the same remainder."""
    numbers = np.arange(TOTAL)
    return np.array([[n for n in numbers if n != m and n % KINDS == m % KINDS] for m in numbers])


def test_a_step_holds_pictures_and_their_likes(likes):
    for step in range(30):
        chosen = in_company(step, 16, likes, 4, seed=5)
        assert len(chosen) == len(set(chosen)) == 16
        kinds = np.bincount(np.array(chosen) % KINDS, minlength=KINDS)
        assert kinds.max() >= 4
    assert in_company(3, 16, likes, 4, seed=5) == in_company(3, 16, likes, 4, seed=5)
    assert in_company(3, 16, likes, 4, seed=5) != in_company(3, 16, likes, 4, seed=6)


def test_every_picture_leads_once_an_epoch(likes):
    leaders = [in_company(step, 16, likes, 4, seed=1)[0] for step in range(15)]
    steps = [in_company(step, 16, likes, 4, seed=1) for step in range(15)]
    assert len(set(leaders)) == 15
    assert set().union(*steps) == set(range(TOTAL))


def test_likes_are_the_nearest_by_class_token():
    sources = list(draw_pictures(9, seed=2))
    torch.manual_seed(0)
    model = CopyViT(Shape(depth=1, image=32))
    found = likes_of(model.state_dict(), sources, 32)
    tokens = encode(model.to(torch.bfloat16).eval(), [one[0] for one in sources], 32)[:, 0]
    for row, names in enumerate(found):
        near = torch.cosine_similarity(tokens[row], tokens, dim=1)
        near[row] = -2
        assert near[names].tolist() == sorted(near.tolist(), reverse=True)[:8]


def test_views_are_rendered_of_the_company(likes):
    sources = list(draw_pictures(6, seed=1))
    few = np.array([[(m + 3) % 6] for m in range(6)])
    plan = Plan(pairs=4, size=32, ramp=100, seed=3, company=2)
    batch = StepViews(sources, plan, few)[0]
    assert batch.pictures.tolist() == in_company(0, 4, few, 2, 3)
    assert abs(int(batch.pictures[0]) - int(batch.pictures[1])) == 3
