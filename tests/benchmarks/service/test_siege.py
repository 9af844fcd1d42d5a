"""Beside those who attack the service a person gets answers, and it ends when it is told to."""

from __future__ import annotations

import pytest

from benchmarks.service.siege import run


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_a_siege_is_not_noticed() -> None:
    report = run(minutes=1.0, connections=600, guesses=60)
    assert report.failed == {}
    assert report.requests > 20
    # What a verified search takes depends on what else the machine is at.
    assert report.p95_ms < max(2000, 3 * max(report.p95_ms_before.values()))
    at_first, at_most, _ = report.memory_mib
    assert at_most < at_first + 700
    assert report.ended_s < 10
