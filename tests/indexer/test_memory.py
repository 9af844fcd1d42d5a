"""Memory does not grow with the corpus."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.checkout import ROOT
from tests.pictures import corpus

CODE = """
import resource, sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from indexer.build import BuildOptions, build
from indexer.store.writer import IndexWriter
from tests.fake_encoder import MeanColour
options = BuildOptions(workers=1, batch_size=8, loaded_from="mean-colour")
with IndexWriter(Path(sys.argv[2])) as writer:
    report = build(writer, MeanColour(dim=384), [Path(sys.argv[3])], options)
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
peak += resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
print(report.embedded, peak)
"""


def peak_memory(index: Path, root: Path) -> tuple[int, int]:
    """Return how many files a build embedded, and its peak memory in KiB."""
    run = subprocess.run(
        [sys.executable, "-c", CODE, str(ROOT), str(index), str(root)],
        capture_output=True,
        text=True,
        check=True,
    )
    embedded, peak = run.stdout.split()
    return int(embedded), int(peak)


@pytest.mark.soak
@pytest.mark.timeout(600)
def test_peak_memory_for_4000_files_is_within_a_tenth_of_that_for_500(tmp_path: Path) -> None:
    corpus(tmp_path / "few", 500)
    corpus(tmp_path / "many", 4000, first_seed=10_000)
    few, few_peak = peak_memory(tmp_path / "index1", tmp_path / "few")
    many, many_peak = peak_memory(tmp_path / "index2", tmp_path / "many")
    assert (few, many) == (500, 4000)
    assert many_peak <= 1.1 * few_peak, f"{few_peak} KiB for 500 files, {many_peak} for 4,000"
