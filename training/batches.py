"""Serve the views of each step: any step can be made anew from the seed, and from the likes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from training.company import Likes, in_company
from training.edits import training_pair
from training.photos import Pyramid, order_of

WEAKEST = 0.1
EASIEST = 0.3  # of a step's strength: hard edits alone teach mostly noise


@dataclass(frozen=True)
class Batch:
    """Views (2b, s, s, 3) uint8, copies in the second half; traces (b, n); picture numbers (b,)."""

    views: Tensor
    trace: Tensor
    pictures: Tensor


@dataclass(frozen=True)
class Plan:
    """What a step's views depend on, besides the pictures; ``ramp`` is counted in views.

    ``company`` pictures that are like each other meet in a step.
    """

    pairs: int
    size: int
    ramp: int
    seed: int
    weakest: float = WEAKEST
    company: int = 1

    def strength(self, step: int) -> float:
        """Raise the edits from ``weakest`` to 1: without a ramp the loss does not take off."""
        seen = 2 * self.pairs * step
        return min(1.0, self.weakest + (1 - self.weakest) * seen / max(1, self.ramp))


class StepViews(Dataset[Batch]):
    """Item i is the batch of step i."""

    def __init__(self, sources: Sequence[Pyramid], plan: Plan, likes: Likes | None = None) -> None:
        self.sources, self.plan, self.likes = sources, plan, likes

    def __getitem__(self, step: int) -> Batch:
        """Render the batch of one step."""
        cv2.setNumThreads(0)
        plan, total = self.plan, len(self.sources)
        if self.likes is None:
            chosen = order_of(step, plan.pairs, total, plan.seed)
        else:
            chosen = in_company(step, plan.pairs, self.likes, plan.company, plan.seed)
        first, second, traces = [], [], []
        for slot, picture in enumerate(chosen):
            rng = np.random.default_rng((plan.seed, step, slot))
            other = self.sources[(picture + int(rng.integers(1, total))) % total]
            strength = plan.strength(step) * rng.uniform(EASIEST, 1)
            one, two, trace = training_pair(self.sources[picture], other, rng, plan.size, strength)
            first.append(one.pixels)
            second.append(two.pixels)
            traces.append(trace)
        return Batch(
            torch.from_numpy(np.stack(first + second)),
            torch.from_numpy(np.stack(traces)).long(),
            torch.tensor(chosen),
        )


class _From:
    """Endless step numbers from a start."""

    def __init__(self, start: int) -> None:
        self.start = start

    def __iter__(self) -> Iterator[int]:
        step = self.start
        while True:
            yield step
            step += 1


def serve(
    sources: Sequence[Pyramid],
    plan: Plan,
    *,
    start: int,
    workers: int,
    likes: Likes | None = None,
) -> Iterator[Batch]:
    """Yield the batches from step ``start`` on, rendered ahead by worker processes.

    ``likes`` say which pictures are like each other; without them a step's are drawn at random.
    """
    loader = DataLoader(
        StepViews(sources, plan, likes),
        batch_size=None,
        sampler=_From(start),
        num_workers=workers,
        prefetch_factor=3 if workers else None,
    )
    return iter(loader)


def to_pixels(views: Tensor, device: torch.device) -> Tensor:
    """Turn (b, s, s, 3) uint8 into (b, 3, s, s) bfloat16 in -1..1 on a device."""
    moved = views.to(device, non_blocking=True).permute(0, 3, 1, 2).float()
    return (moved / 127.5 - 1).to(torch.bfloat16).contiguous()
