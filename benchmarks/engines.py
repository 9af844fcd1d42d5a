"""Measure what runs the model on a CPU: torch and OpenVINO, rates and deviations in one run."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from statistics import median

import numpy as np

from benchmarks.machine import Machine
from indexer.corpus import walk
from indexer.encoders.device import cpu_has_bf16
from indexer.encoders.registry import ENGINES, load
from indexer.engines.local import streams_for
from indexer.errors import UsageError
from indexer.isolation.pool import DecodePool
from indexer.types import Encoder, Float32, UInt8, unit

PACKAGES = ("dfindex", "numpy", "openvino", "torch", "transformers")


@dataclass(frozen=True, kw_only=True)
class EngineRun:
    """One engine in one precision.

    ``rate`` in pictures a second; ``of_torch`` the median over rounds of its rate divided by
    torch's in fp32 in the same round; ``least_cosine`` the lowest, over all pictures, of its class
    token to that one's.
    """

    engine: str
    precision: str
    rate: float
    of_torch: float
    least_cosine: float


@dataclass(frozen=True, kw_only=True)
class EngineComparison:
    """All engines on the same pictures."""

    encoder: str
    pictures: int
    batch_size: int
    rounds: int
    runs: tuple[EngineRun, ...]
    machine: Machine


def run(
    encoder: str | Path | None,
    photos: Path,
    *,
    engines: Sequence[str] = ("torch", "openvino"),
    pictures: int = 64,
    batch_size: int = 8,
    rounds: int = 3,
) -> EngineComparison:
    """Time each engine ``rounds`` times in turn; torch in fp32, eager, is what others are held to.

    Only the model is timed, in the streams of a build. bf16 is measured where the CPU has it.
    """
    if not set(engines) <= set(ENGINES) - {"auto"}:
        raise UsageError(f"expected engines torch, openvino, got {','.join(engines)}")
    precisions = ("fp32", "bf16") if cpu_has_bf16() else ("fp32",)
    chosen = {("torch", "fp32")} | {(e, p) for e in engines for p in precisions}
    order = sorted(chosen, key=lambda pair: (pair[0] != "torch", pair[1] != "fp32"))
    loaded = {
        pair: load(encoder, device="cpu", precision=pair[1], engine=pair[0]) for pair in order
    }
    pixels = _pixels(loaded[order[0]], photos, pictures)
    seconds: dict[tuple[str, str], list[float]] = {pair: [] for pair in order}
    vectors = {pair: _embed(one, pixels, batch_size)[0] for pair, one in loaded.items()}
    for _ in range(rounds):
        for pair, one in loaded.items():
            seconds[pair].append(_embed(one, pixels, batch_size)[1])
    standard = order[0]
    runs = tuple(
        EngineRun(
            engine=pair[0],
            precision=pair[1],
            rate=len(pixels) / median(seconds[pair]),
            of_torch=median(a / b for a, b in zip(seconds[standard], seconds[pair], strict=True)),
            least_cosine=float((vectors[pair] * vectors[standard]).sum(axis=1).min()),
        )
        for pair in order
    )
    return EngineComparison(
        encoder=loaded[standard].spec.name,
        pictures=len(pixels),
        batch_size=batch_size,
        rounds=rounds,
        runs=runs,
        machine=Machine.here(PACKAGES),
    )


def _pixels(encoder: Encoder, photos: Path, count: int) -> UInt8:
    files = list(islice((one for one in walk([photos]) if one.problem is None), count))
    with DecodePool(workers=2, preset=encoder.spec.preset) as pool:
        found = [one.pixels for one in pool.map(files) if one.pixels is not None]
    if not found:
        raise UsageError(f"expected pictures in {photos}, found none that can be read")
    return np.stack(found)


def _embed(encoder: Encoder, pixels: UInt8, batch_size: int) -> tuple[Float32, float]:
    """Return unit class tokens (n, dim) and the seconds that they took."""
    from concurrent.futures import ThreadPoolExecutor

    from indexer.encoders.device import share_cores

    streams = streams_for(encoder)
    batches = [pixels[start : start + batch_size] for start in range(0, len(pixels), batch_size)]
    started = time.perf_counter()
    with ThreadPoolExecutor(streams, "encode", share_cores, (streams,)) as threads:
        parts = list(threads.map(lambda batch: encoder.encode(batch).cls, batches))
    return unit(np.concatenate(parts)), time.perf_counter() - started
