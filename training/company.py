"""Which pictures meet in a step: with their likes beside them, a step holds hard negatives.

Drawn at random from thousands of pictures, the others of a step are told apart at a glance. What
must be learnt is to tell a picture from the next one of the same scene.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from training.evaluate import encode
from training.model import build
from training.photos import Pyramid, order_of

Likes = NDArray[np.int32]
MOST_LIKE = 12  # of each picture, from which its company is drawn


def likes_of(weights: dict[str, Tensor], sources: Sequence[Pyramid], size: int) -> Likes:
    """Return for each picture its nearest ones by class token, (n, k) int32, the nearest first."""
    model = build(weights).to(torch.bfloat16).eval()
    tokens = F.normalize(encode(model, [levels[0] for levels in sources], size)[:, 0], dim=1)
    count = min(MOST_LIKE, len(sources) - 1)
    found = []
    for start in range(0, len(tokens), 1024):
        rows = tokens[start : start + 1024]
        similarity = rows @ tokens.T
        similarity[torch.arange(len(rows)), start + torch.arange(len(rows))] = -2
        found.append(similarity.topk(count).indices.int().numpy())
    likes: Likes = np.concatenate(found)
    return likes


def in_company(step: int, batch: int, likes: Likes, company: int, seed: int) -> list[int]:
    """Name the pictures of one step: every ``company``-th leads, those that follow are its likes.

    No picture comes twice; where the likes are there already, others come instead.
    """
    total = len(likes)
    rng = np.random.default_rng((seed, step, total))
    chosen: dict[int, None] = {}
    for leader in order_of(step, -(-batch // company), total, seed):
        followers = rng.permutation(likes[leader])[: company - 1]
        chosen |= dict.fromkeys([leader, *followers.tolist()])
    chosen |= dict.fromkeys(rng.permutation(total)[: 2 * batch].tolist())
    return list(chosen)[:batch]
