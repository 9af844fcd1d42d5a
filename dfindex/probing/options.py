"""From the words of a command to what training and episodes take."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from dfindex.probing.probes import Prober, keep_training
from dfindex.probing.results import Training
from indexer.errors import UsageError
from probes.choices import Calibration, FeatureKind, SplitBy, Target
from probes.evaluation.episodes import Episodes, run_episodes
from probes.features import FeatureSpec
from probes.recipe import Recipe


def train(
    index: str | Path,
    name: str,
    *,
    target: str = "fake",
    method: str = "auto",
    features: str = "cls",
    pooling: str | None = None,
    calibration: str = "platt",
    spaces: Sequence[str] = (),
    where: str | None = None,
    split: str = "auto",
    max_fpr: float = 0.05,
    seed: int = 0,
    keep: bool = True,
) -> Training:
    """Train a probe on an index's labels, and keep it in the index, or leave that to the caller."""
    if pooling is not None and features != FeatureKind.PATCHES:
        raise UsageError("--pooling belongs to --features patches")
    recipe = Recipe(
        method=method,
        calibration=Calibration(calibration),
        pooling=pooling,
        open_set=target == Target.GENERATOR,
        seed=seed,
    )
    with Prober(index) as prober:
        made = prober.train(
            name,
            recipe,
            target=Target(target),
            kind=FeatureKind(features),
            spaces=spaces,
            where=where,
            by=SplitBy(split),
            max_fpr=max_fpr,
        )
    if keep:
        keep_training(Path(index), made)
    return made


def episodes(
    index: str | Path,
    *,
    shots: str = "1,5,10,50",
    held_out: str | None = None,
    queries: int = 15,
    count: int = 100,
    features: str = "cls",
    spaces: Sequence[str] = (),
    where: str | None = None,
    seed: int = 0,
) -> Episodes:
    """Run few-shot episodes on an index's labels."""
    kind = FeatureKind(features)
    with Prober(index) as prober:
        opened = prober.spaces(spaces)
        dataset = prober.dataset(
            opened, kind, target=Target.FAKE, where=where, recipe=Recipe(method="prototypes")
        )
        tokens = FeatureSpec.of(opened, kind).tokens
    return run_episodes(
        dataset,
        held_out=held_out,
        shots=parsed_shots(shots),
        queries=queries,
        episodes=count,
        seed=seed,
        tokens=tokens,
    )


def parsed_shots(text: str) -> tuple[int, ...]:
    """Return the numbers of a text such as 1,5,10; raise UsageError for anything else."""
    try:
        shots = tuple(sorted({int(one) for one in text.split(",")}))
    except ValueError as error:
        raise UsageError(f"expected --shots such as 1,5,10,50, got {text!r}") from error
    if shots[0] < 1:
        raise UsageError(f"expected at least one shot, got {text!r}")
    return shots
