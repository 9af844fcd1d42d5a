"""An index that is built again and again does not grow, nor does the process that builds it."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.store import many_builds


@pytest.mark.soak
def test_neither_time_nor_size_nor_open_files_grow(tmp_path: Path) -> None:
    report = many_builds.run(tmp_path, builds=75, kept=5, stretches=3)
    _, middle, last = report.stretches
    assert last.open_files == middle.open_files
    assert last.most_files <= middle.most_files
    assert last.most_bytes <= 1.1 * middle.most_bytes
    assert last.memory_mib <= middle.memory_mib + 10
    assert last.median_ms <= 1.5 * middle.median_ms
