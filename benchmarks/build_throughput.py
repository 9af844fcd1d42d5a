"""Measure `dfindex build`: its rate beside the bare model's, the decoder's, and a plain loop's."""

from __future__ import annotations

import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import psutil
import torch
from PIL import Image

from benchmarks.machine import Machine
from indexer.build import BuildOptions, build
from indexer.corpus import FoundFile, walk
from indexer.encoders.device import computing
from indexer.encoders.vit import HookedViT
from indexer.errors import UsageError
from indexer.isolation.pool import DecodePool
from indexer.store.writer import IndexWriter
from indexer.types import Encoder, UInt8

_PLAIN_BATCH = 8
PACKAGES = ("dfindex", "numpy", "pillow", "torch", "transformers")


@dataclass(frozen=True, kw_only=True)
class BuildThroughput:
    """Rates in pictures a second, medians over ``rounds``; memory in MiB.

    ``of_model`` is the median over rounds of the build's rate divided by the bare model's in the
    same round; ``of_plain_loop`` the same with the loop people write themselves.
    """

    encoder: str
    device: str
    precision: str
    pictures: int
    batch_size: int
    workers: int
    rounds: int
    build: float
    model: float
    decode: float
    plain_loop: float | None
    of_model: float
    of_plain_loop: float | None
    peak_memory_mib: float
    machine: Machine

    def to_json(self) -> dict[str, Any]:
        """Return the figures as plain JSON values."""
        return asdict(self)


def run(
    encoder: Encoder,
    photos: Path,
    *,
    pictures: int = 500,
    batch_size: int = 8,
    workers: int = 2,
    rounds: int = 3,
    plain_folder: Path | None = None,
) -> BuildThroughput:
    """Time each part ``rounds`` times in turn, so that a slow minute hits all of them alike.

    ``plain_folder`` is the encoder's folder in Hugging Face layout, for the loop people write
    themselves: `AutoImageProcessor` and ``model(**inputs)`` in batches of 8, without prefetch.
    The first ``pictures`` that can be read are taken, or all where ``photos`` holds fewer: the
    result says how many. Raise UsageError where they make no batch.
    """
    files, pixels = _readable(encoder, photos, pictures, workers)
    if len(files) < batch_size:
        raise UsageError(
            f"expected at least {batch_size} pictures in {photos}, found {len(files)} that can be "
            "read; choose another folder"
        )
    pictures = len(files)
    plain = None if plain_folder is None else PlainLoop(plain_folder)
    encoder.encode(pixels[:batch_size])
    times: dict[str, list[float]] = {"model": [], "build": [], "decode": [], "plain_loop": []}
    with PeakMemory() as memory:
        for _ in range(rounds):
            times["model"].append(_timed(lambda: _forward(encoder, pixels, batch_size)))
            times["build"].append(_timed(lambda: _build(encoder, files, batch_size, workers)))
            times["decode"].append(_timed(lambda: _decode(encoder, files, workers)))
            if plain is not None:
                times["plain_loop"].append(_timed(lambda: plain(files)))
    rates = {name: [pictures / one for one in values] for name, values in times.items()}
    return BuildThroughput(
        encoder=encoder.spec.name,
        device=encoder.device,
        precision=encoder.precision,
        pictures=pictures,
        batch_size=batch_size,
        workers=workers,
        rounds=rounds,
        build=median(rates["build"]),
        model=median(rates["model"]),
        decode=median(rates["decode"]),
        plain_loop=median(rates["plain_loop"]) if plain else None,
        of_model=_ratio(rates["build"], rates["model"]),
        of_plain_loop=_ratio(rates["build"], rates["plain_loop"]) if plain else None,
        peak_memory_mib=memory.peak / 2**20,
        machine=Machine.here(PACKAGES),
    )


class PeakMemory:
    """Samples the resident memory of this process and its children, in bytes."""

    def __init__(self, every: float = 0.05) -> None:
        self._every = every
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self.peak = 0

    def __enter__(self) -> PeakMemory:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()

    def _watch(self) -> None:
        process = psutil.Process()
        while not self._done.wait(self._every):
            total = process.memory_info().rss
            for child in process.children(recursive=True):
                try:
                    total += child.memory_info().rss
                except psutil.NoSuchProcess:
                    continue
            self.peak = max(self.peak, total)


class PlainLoop:
    """The loop people write themselves, in fp32, as the models' cards show it."""

    def __init__(self, folder: Path) -> None:
        from transformers import AutoImageProcessor, ViTForImageClassification

        self._processor = AutoImageProcessor.from_pretrained(folder, local_files_only=True)
        self._model = ViTForImageClassification.from_pretrained(
            folder, local_files_only=True, dtype="float32"
        ).eval()

    def __call__(self, files: Sequence[FoundFile]) -> None:
        """Embed all files."""
        with torch.no_grad():
            for start in range(0, len(files), _PLAIN_BATCH):
                images = [
                    Image.open(one.path).convert("RGB")
                    for one in files[start : start + _PLAIN_BATCH]
                ]
                inputs = self._processor(images=images, return_tensors="pt")
                self._model.vit(**inputs)


def _build(encoder: Encoder, files: Sequence[FoundFile], batch_size: int, workers: int) -> None:
    roots = [Path(one.path) for one in files]
    options = BuildOptions(workers=workers, batch_size=batch_size, loaded_from=encoder.spec.name)
    with tempfile.TemporaryDirectory() as folder, IndexWriter(Path(folder) / "index") as writer:
        report = build(writer, encoder, roots, options)
    if report.failed:
        raise UsageError(f"{report.failed} of the pictures cannot be read; choose others")


def _forward(encoder: Encoder, pixels: UInt8, batch_size: int) -> None:
    """Run the bare model: nothing but its forward pass, on tensors that are there already."""
    if not isinstance(encoder, HookedViT):
        for start in range(0, len(pixels), batch_size):
            encoder.encode(pixels[start : start + batch_size])
        return
    batch = torch.zeros(batch_size, 3, *pixels.shape[1:3], device=encoder.device)
    with computing(encoder.device, encoder.precision):
        for _ in range(0, len(pixels), batch_size):
            encoder.model(pixel_values=batch)


def _readable(
    encoder: Encoder, photos: Path, most: int, workers: int
) -> tuple[list[FoundFile], UInt8]:
    """Return the first files that are pictures, and their pixels (n, size, size, 3)."""
    files = (one for one in walk([photos]) if one.problem is None)
    with DecodePool(workers=workers, preset=encoder.spec.preset) as pool:
        read = (one for one in pool.map(files) if one.pixels is not None)
        taken = [(one.file, one.pixels) for one in islice(read, most)]
    size = encoder.spec.preset.size
    pixels = np.array([each for _, each in taken], np.uint8).reshape(-1, size, size, 3)
    return [file for file, _ in taken], pixels


def _decode(encoder: Encoder, files: Sequence[FoundFile], workers: int) -> None:
    with DecodePool(workers=workers, preset=encoder.spec.preset) as pool:
        for _ in pool.map(files):
            pass


def _timed(action: Callable[[], object]) -> float:
    started = time.perf_counter()
    action()
    return time.perf_counter() - started


def _ratio(rates: Sequence[float], others: Sequence[float]) -> float:
    return median(one / other for one, other in zip(rates, others, strict=True))
