"""Jobs on threads: in turn, not at all, and beside one that does not end."""

from __future__ import annotations

import asyncio
import threading
import time
from concurrent.futures import CancelledError

import pytest

from dfindex.server.http.errors import Problem
from dfindex.server.jobs.batching import Workbench
from dfindex.server.jobs.crew import Crew


def test_each_asker_gets_its_result_or_its_error() -> None:
    crew = Crew(3, "test")
    futures = [crew.submit(lambda number=number: 60 // number) for number in range(6)]
    with pytest.raises(ZeroDivisionError):
        futures[0].result()
    assert [one.result() for one in futures[1:]] == [60, 30, 20, 15, 12]
    crew.dismiss()
    crew.join(time.monotonic() + 5)
    assert not [one for one in threading.enumerate() if one.name == "test"]


def test_a_thread_that_does_not_come_back_is_replaced() -> None:
    crew, ends = Crew(2, "stuck"), threading.Event()
    stuck = [crew.submit(ends.wait) for _ in range(2)]
    waiting = crew.submit(lambda: "done")
    time.sleep(0.1)
    assert not waiting.done()
    crew.give_up(stuck[0])
    assert waiting.result(timeout=5) == "done"
    ends.set()
    assert stuck[0].result(timeout=5)
    assert [crew.submit(lambda: 1).result(timeout=5) for _ in range(5)] == [1] * 5
    crew.dismiss()
    crew.join(time.monotonic() + 5)
    assert not [one for one in threading.enumerate() if one.name == "stuck"]


def test_dismissed_it_drops_what_waits_and_waits_for_nothing_long() -> None:
    crew, ends = Crew(1, "left"), threading.Event()
    crew.submit(ends.wait)
    waiting = crew.submit(lambda: "never")
    time.sleep(0.1)
    crew.dismiss()
    started = time.monotonic()
    crew.join(started + 0.2)
    assert time.monotonic() - started < 2
    with pytest.raises(CancelledError):
        waiting.result(timeout=1)
    ends.set()


def test_jobs_that_do_not_end_stop_no_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dfindex.server.jobs.batching._PATIENCE", 0.1)
    ends = threading.Event()

    async def ask() -> list[int | str]:
        bench = Workbench("bench", workers=2, waiting=10, seconds=0.2)
        stuck = [bench.run(ends.wait) for _ in range(6)]
        for problem in await asyncio.gather(*stuck, return_exceptions=True):
            assert isinstance(problem, Problem)
            assert (problem.status, problem.code) == (503, "timeout")
        await asyncio.sleep(0.3)
        found = [await bench.run(lambda: "answer") for _ in range(4)]
        ends.set()
        bench.dismiss()
        return found

    assert asyncio.run(ask()) == ["answer"] * 4
