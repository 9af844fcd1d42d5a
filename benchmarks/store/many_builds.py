"""Build an index again and again over a corpus that changes a little, and see what grows.

``python -m benchmarks.store.many_builds --builds 5000 --kept 100``
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from benchmarks.machine import Machine
from indexer.build import BuildOptions, build
from indexer.store.writer import IndexWriter
from indexer.types import EncoderSpec, Features, Layout, Preset, UInt8

_GRID = 8  # the encoder's token is a thumbnail of that many pixels a side
_PICTURE = 48  # pixels a side


class Thumbnail:
    """An encoder that costs nothing: what is measured is everything else."""

    device, precision = "cpu", "fp32"

    def __init__(self) -> None:
        self.spec = EncoderSpec(
            name="thumbnail",
            source="custom:thumbnail",
            weights_sha256=hashlib.sha256(b"thumbnail").hexdigest(),
            layout=Layout.CUSTOM,
            dim=3 * _GRID**2,
            patch_grid=(1, 1),
            preset=Preset(name="squash-32", size=32, interpolation="bilinear"),
            licence="MIT",
        )

    def encode(self, images: UInt8) -> Features:
        """Read images (n, size, size, 3) uint8."""
        cell = images.shape[1] // _GRID
        cells = images.reshape(-1, _GRID, cell, _GRID, cell, 3).mean(axis=(2, 4))
        cls = (cells.reshape(len(images), -1) / 255 - 0.5).astype(np.float32)
        return Features(cls=cls, patches=cls[:, None])


@dataclass(frozen=True, kw_only=True)
class BuildStretch:
    """Some builds in a row: their times, and what there was after the last of them."""

    builds: int
    median_ms: float
    slowest_ms: float
    index_bytes: int
    index_files: int
    most_bytes: int
    most_files: int
    open_files: int
    memory_mib: float


@dataclass(frozen=True, kw_only=True)
class ManyBuildsReport:
    """What each stretch of builds cost, in order."""

    kept: int
    stretches: tuple[BuildStretch, ...]
    machine: Machine


def main(arguments: list[str] | None = None) -> None:
    """Measure, tell each stretch as it ends on standard error, and print the report as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--builds", type=int, default=5000)
    parser.add_argument("--kept", type=int, default=100, help="Pictures in the corpus; 0: all.")
    parser.add_argument("--stretches", type=int, default=20)
    options = parser.parse_args(arguments)

    def tell(stretch: BuildStretch) -> None:
        sys.stderr.write(json.dumps(asdict(stretch)) + "\n")

    with tempfile.TemporaryDirectory() as folder:
        report = run(
            Path(folder),
            builds=options.builds,
            kept=options.kept,
            stretches=options.stretches,
            tell=tell,
        )
    sys.stdout.write(json.dumps(asdict(report), indent=1) + "\n")


def run(
    home: Path,
    *,
    builds: int,
    kept: int,
    stretches: int,
    tell: Callable[[BuildStretch], None] = lambda stretch: None,
) -> ManyBuildsReport:
    """Build ``builds`` times in one process, one picture more each time.

    When ``kept`` are there, the oldest one is deleted before each build, which prunes it.
    """
    (home / "corpus").mkdir()
    measured = []
    for part in np.array_split(np.arange(builds), stretches):
        seen = [_one_build(home, int(number), kept) for number in part]
        measured.append(_stretch(seen))
        tell(measured[-1])
    machine = Machine.here(("dfindex", "duckdb", "faiss-cpu", "numpy"))
    return ManyBuildsReport(kept=kept, stretches=tuple(measured), machine=machine)


def _one_build(home: Path, number: int, kept: int) -> tuple[float, int, int]:
    """Change the corpus and build; return the milliseconds, and bytes and files of the index."""
    rng = np.random.default_rng(number)
    pixels = rng.integers(0, 256, size=(_PICTURE, _PICTURE, 3)).astype(np.uint8)
    Image.fromarray(pixels).save(home / "corpus" / f"{number:06d}.png")
    if kept and number >= kept:
        (home / "corpus" / f"{number - kept:06d}.png").unlink()
    started = time.perf_counter()
    options = BuildOptions(workers=1, loaded_from="thumbnail", prune=True)
    with IndexWriter(home / "index") as writer:
        report = build(writer, Thumbnail(), [home / "corpus"], options)
    took = 1000 * (time.perf_counter() - started)
    if (report.embedded, report.failed) != (1, 0):
        raise RuntimeError(f"expected one new picture, got {report}")
    sizes = [path.stat().st_size for path in (home / "index").rglob("*") if path.is_file()]
    return took, sum(sizes), len(sizes)


def _stretch(seen: list[tuple[float, int, int]]) -> BuildStretch:
    times, sizes, files = zip(*seen, strict=True)
    resident = int(Path("/proc/self/statm").read_text().split()[1])
    return BuildStretch(
        builds=len(seen),
        median_ms=round(float(np.median(times)), 1),
        slowest_ms=round(max(times), 1),
        index_bytes=sizes[-1],
        index_files=files[-1],
        most_bytes=max(sizes),
        most_files=max(files),
        open_files=len(os.listdir("/proc/self/fd")),  # noqa: PTH208
        memory_mib=round(resident * os.sysconf("SC_PAGE_SIZE") / 2**20, 1),
    )


if __name__ == "__main__":
    main()
