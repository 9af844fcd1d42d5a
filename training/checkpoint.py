"""Keep the whole state of a training run on disk, so that a kill loses minutes at most."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.optim import AdamW

from training.losses import Memory
from training.model import State, build, image_of, resize_positions, resize_state

FILE = "checkpoint.pt"
WEIGHT_DECAY = 0.05
BETAS = (0.9, 0.98)
MOMENTS = ("exp_avg", "exp_avg_sq")
EMA_LIMIT = 0.998


@dataclass
class RunProgress:
    """Everything a run is at one step: float32 weights, their moving average, moments, memory."""

    weights: State
    average: State
    memory: Memory
    step: int = 0
    views: int = 0
    minutes: float = 0.0
    moments: dict[str, dict[str, Tensor]] = field(default_factory=dict)

    @classmethod
    def fresh(cls, weights: State) -> RunProgress:
        """Start a run from these weights."""
        hidden = weights["norm.weight"].shape[0]
        memory = Memory(torch.zeros(0, hidden), torch.zeros(0, dtype=torch.long))
        weights = {name: tensor.detach().clone().float() for name, tensor in weights.items()}
        return cls(weights, {name: tensor.clone() for name, tensor in weights.items()}, memory)

    def at_size(self, image: int) -> RunProgress:
        """Move to another input side: position embeddings and their moments are interpolated."""
        if image_of(self.weights) == image:
            return self
        self.weights = resize_state(self.weights, image)
        self.average = resize_state(self.average, image)
        for moment in MOMENTS:
            if "positions" in self.moments:
                old = self.moments["positions"][moment]
                self.moments["positions"][moment] = resize_positions(old, image)
        return self

    def save(self, run: Path) -> None:
        """Replace the run's checkpoint by this state."""
        run.mkdir(parents=True, exist_ok=True)
        beside = run / f"{FILE}.new"
        torch.save(vars(self) | {"memory": vars(self.memory)}, beside)
        beside.replace(run / FILE)


def load(run: Path) -> RunProgress:
    """Read a run's checkpoint."""
    saved: dict[str, Any] = torch.load(run / FILE, map_location="cpu", weights_only=True)
    return RunProgress(**{**saved, "memory": Memory(**saved["memory"])})


class Learner:
    """A bfloat16 model that computes, float32 weights that learn, and their moving average."""

    def __init__(self, progress: RunProgress, device: torch.device) -> None:
        self.progress = progress
        self.model = build(progress.weights).to(device, torch.bfloat16)
        self.names = [name for name, _ in self.model.named_parameters()]
        self.fast: list[Tensor] = list(self.model.parameters())
        self.slow = [progress.weights[name].to(device) for name in self.names]
        self.average = [progress.average[name].to(device) for name in self.names]
        matrices = [tensor for tensor in self.slow if tensor.ndim == 2]
        others = [tensor for tensor in self.slow if tensor.ndim != 2]
        self.optimiser = AdamW(
            [
                {"params": matrices, "weight_decay": WEIGHT_DECAY},
                {"params": others, "weight_decay": 0.0},
            ],
            lr=0.0,
            betas=BETAS,
            fused=True,
        )
        for name, tensor in zip(self.names, self.slow, strict=True):
            if name in progress.moments:
                moments = progress.moments[name]
                self.optimiser.state[tensor] = {k: v.to(device) for k, v in moments.items()}
                self.optimiser.state[tensor]["step"] = moments["step"].clone()

    def update(self, rate: float) -> float:
        """Take one step with the gradients of the last backward pass; return their norm."""
        for fast, slow in zip(self.fast, self.slow, strict=True):
            slow.grad = None if fast.grad is None else fast.grad.float()
            fast.grad = None
        norm = float(torch.nn.utils.clip_grad_norm_(self.slow, 1.0))
        for group in self.optimiser.param_groups:
            group["lr"] = rate
        self.optimiser.step()
        self.progress.step += 1
        keep = min(EMA_LIMIT, (1 + self.progress.step) / (10 + self.progress.step))
        with torch.no_grad():
            torch._foreach_copy_(self.fast, self.slow)
            torch._foreach_lerp_(self.average, self.slow, 1 - keep)
        return norm

    def snapshot(self) -> RunProgress:
        """Collect the present state on the CPU."""
        progress = self.progress
        progress.weights = _named(self.names, self.slow)
        progress.average = _named(self.names, self.average)
        progress.moments = {
            name: {k: v.detach().cpu() for k, v in self.optimiser.state[tensor].items()}
            for name, tensor in zip(self.names, self.slow, strict=True)
            if self.optimiser.state[tensor]
        }
        return progress


def _named(names: list[str], tensors: list[Tensor]) -> State:
    pairs = zip(names, tensors, strict=True)
    return {name: tensor.detach().to("cpu", copy=True) for name, tensor in pairs}
