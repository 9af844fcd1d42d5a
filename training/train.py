"""Train the packaged encoder: ``python -m training.train --photos DIR --minutes N --run DIR``."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import click
import torch
import torch.nn.functional as F
from torch import Tensor

from training import checkpoint, losses
from training.batches import Batch, Plan, serve, to_pixels
from training.checkpoint import Learner, RunProgress
from training.company import likes_of
from training.export import read_exported
from training.initial import prepare
from training.model import CopyViT, Shape
from training.photos import Pyramid, draw_pictures, read_photos

SAVE_EVERY = 120.0
REPORT_EVERY = 20
SMOOTH = 0.95
LAST_RATE = 0.02
TEMPERATURE = 0.05
THRESHOLD = 0.5
PATCH_TEMPERATURE = 0.07
PATCHES_EACH = 6
WEIGHTS = {"copy": 1.0, "threshold": 0.4, "koleo": 0.3, "region": 0.5, "patch": 0.4}


@dataclass(frozen=True)
class Schedule:
    """Warm-up over steps, a plateau of any length, and a linear fall over the last minutes."""

    rate: float
    warm_up: int
    minutes: float
    fall: float

    def rate_at(self, step: int, elapsed: float) -> float:
        """Return the learning rate of a step of the run, this many minutes into this call."""
        left = max(0.0, self.minutes - elapsed)
        falling = max(LAST_RATE, left / self.fall) if left < self.fall else 1.0
        return self.rate * min(1.0, (step + 1) / max(1, self.warm_up)) * falling


def terms_of(
    tokens: Tensor, batch: Batch, memory: losses.Memory, generator: torch.Generator
) -> dict[str, Tensor]:
    """Compute every loss term from (2b, 1 + n, d) float32 tokens."""
    half = len(batch.pictures)
    classes = F.normalize(tokens[:, 0], dim=1)
    first, second = tokens[:half], tokens[half:]
    return {
        "copy": losses.copy_loss(classes, batch.pictures, memory, TEMPERATURE),
        "threshold": losses.threshold_loss(classes, batch.pictures, TEMPERATURE, THRESHOLD),
        "koleo": losses.koleo_loss(classes[:half]),
        "region": losses.region_loss(first, second, batch.trace, TEMPERATURE),
        "patch": losses.patch_loss(
            first[:, 1:],
            second[:, 1:],
            batch.trace,
            PATCH_TEMPERATURE,
            each=PATCHES_EACH,
            generator=generator,
        ),
    }


class Trainer:
    """Run steps until the time is over; save every two minutes."""

    def __init__(
        self, progress: RunProgress, schedule: Schedule, plan: Plan, run: Path, device: torch.device
    ) -> None:
        self.schedule, self.plan, self.run, self.device = schedule, plan, run, device
        self.learner = Learner(progress, device)
        self.smoothed: dict[str, float] = {}

    def train(self, batches: Iterator[Batch], memory_limit: int) -> None:
        """Take batches until the schedule's minutes are over."""
        progress = self.learner.progress
        start = saved = time.monotonic()
        before, first_views = progress.minutes, progress.views
        for batch in batches:
            elapsed = (time.monotonic() - start) / 60
            if elapsed >= self.schedule.minutes:
                break
            rate = self.schedule.rate_at(progress.step, elapsed)
            self._step(batch, rate, memory_limit)
            progress.views += len(batch.views)
            progress.minutes = before + elapsed
            if progress.step % REPORT_EVERY == 0:
                speed = (progress.views - first_views) / (time.monotonic() - start)
                self._report(rate, speed)
            if time.monotonic() - saved > SAVE_EVERY:
                self.learner.snapshot().save(self.run)
                saved = time.monotonic()
        self.learner.snapshot().save(self.run)

    def _step(self, batch: Batch, rate: float, memory_limit: int) -> None:
        progress = self.learner.progress
        moved = Batch(batch.views, batch.trace.to(self.device), batch.pictures.to(self.device))
        tokens = self.learner.model(to_pixels(batch.views, self.device)).float()
        memory = losses.Memory(
            progress.memory.tokens.to(self.device), progress.memory.pictures.to(self.device)
        )
        generator = torch.Generator().manual_seed(self.plan.seed * 1_000_003 + progress.step)
        terms = terms_of(tokens, moved, memory, generator)
        loss = torch.stack([WEIGHTS[name] * term for name, term in terms.items()]).sum()
        torch.autograd.backward(loss)
        self.learner.update(rate)
        classes = F.normalize(tokens[:, 0].detach(), dim=1)
        progress.memory = memory.pushed(classes, moved.pictures.repeat(2), memory_limit)
        half = len(batch.pictures)
        best = (classes[half:] @ classes[:half].T).argmax(1).cpu()
        found = float((best == torch.arange(half)).float().mean())
        self._smooth({name: term.item() for name, term in terms.items()} | {"found": found})

    def _smooth(self, values: dict[str, float]) -> None:
        for name, value in values.items():
            before = self.smoothed.get(name, value)
            self.smoothed[name] = SMOOTH * before + (1 - SMOOTH) * value

    def _report(self, rate: float, speed: float) -> None:
        progress = self.learner.progress
        values = " ".join(f"{name} {value:.3f}" for name, value in self.smoothed.items())
        strength = self.plan.strength(progress.step)
        click.echo(
            f"{progress.minutes:.1f} min step {progress.step} views {progress.views} "
            f"strength {strength:.2f} rate {rate:.1e} {values} {speed:.0f} views/s"
        )


def begin(
    run: Path, start: Path | None, shape: Shape, sources: Sequence[Pyramid], seed: int
) -> RunProgress:
    """Continue a run, or start one from exported weights or from nothing."""
    if (run / checkpoint.FILE).exists():
        return checkpoint.load(run).at_size(shape.image)
    if start is not None:
        return RunProgress.fresh(read_exported(start)).at_size(shape.image)
    torch.manual_seed(seed)
    return RunProgress.fresh(prepare(CopyViT(shape).state_dict(), sources, seed))


def device_of(name: str) -> torch.device:
    """Turn ``auto`` into the best device there is."""
    if name != "auto":
        return torch.device(name)
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


@click.command()
@click.option("--photos", type=click.Path(exists=True, path_type=Path), required=True)
@click.option("--run", type=click.Path(path_type=Path), required=True, help="Holds the checkpoint.")
@click.option("--start", type=click.Path(path_type=Path), help="Exported weights to start from.")
@click.option("--minutes", type=float, required=True, help="Wall-clock length of this call.")
@click.option("--fall", type=float, default=0.0, help="The last minutes, with a falling rate.")
@click.option("--device", default="auto", show_default=True)
@click.option("--depth", default=6, show_default=True, help="Blocks of a new model.")
@click.option("--size", default=112, show_default=True, help="Input side in pixels.")
@click.option("--pairs", default=64, show_default=True, help="Pictures a step.")
@click.option("--rate", default=4e-4, show_default=True, help="Highest learning rate.")
@click.option("--warm-up", default=80, show_default=True, help="Steps of rising rate.")
@click.option("--ramp", default=150_000, show_default=True, help="Views until full edits.")
@click.option("--weakest", default=0.1, show_default=True, help="Edit strength at step 0.")
@click.option("--company", default=1, show_default=True, help="Likes that meet in a step.")
@click.option("--memory", default=0, show_default=True, help="Earlier rows as negatives.")
@click.option("--generated", default=500, show_default=True, help="Pictures drawn by code.")
@click.option("--workers", default=1, show_default=True, help="Processes that render views.")
@click.option("--threads", default=0, help="Threads that compute; 0 leaves it to torch.")
@click.option("--seed", default=1, show_default=True)
def main(
    photos: Path,
    run: Path,
    start: Path | None,
    minutes: float,
    fall: float,
    device: str,
    depth: int,
    size: int,
    pairs: int,
    rate: float,
    warm_up: int,
    ramp: int,
    weakest: float,
    company: int,
    memory: int,
    generated: int,
    workers: int,
    threads: int,
    seed: int,
) -> None:
    """Train for some minutes from where the run stands; call again to continue."""
    if threads:
        torch.set_num_threads(threads)
    sources = [*read_photos(photos), *draw_pictures(generated, seed)]
    progress = begin(run, start, Shape(depth=depth, image=size), sources, seed)
    click.echo(f"{len(sources)} pictures; step {progress.step}, {progress.views} views so far")
    plan = Plan(pairs=pairs, size=size, ramp=ramp, seed=seed, weakest=weakest, company=company)
    schedule = Schedule(rate=rate, warm_up=warm_up, minutes=minutes, fall=fall)
    trainer = Trainer(progress, schedule, plan, run, device_of(device))
    likes = likes_of(progress.average, sources, size) if company > 1 else None
    batches = serve(sources, plan, start=progress.step, workers=workers, likes=likes)
    trainer.train(batches, memory)


if __name__ == "__main__":
    main()
