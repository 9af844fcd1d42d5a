"""What the sweeps of kills and of damage share: where they work, and what they tell."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path


def memory() -> str | None:
    """Return a folder in memory, where numbers of files are not used again; None without one."""
    return "/dev/shm" if Path("/dev/shm").is_dir() else None


def count_bad(cases: Iterable[list[str]], *, every: int) -> int:
    """Say what was wrong in each case, and how far it is every so often; return how many were."""
    bad = 0
    for number, wrong in enumerate(cases, 1):
        bad += bool(wrong)
        for one in wrong:
            say(one)
        if number % every == 0:
            say(f"{number} cases, {bad} bad")
    return bad


def say(line: str) -> None:
    """Print a line at once: who waits for hours wants to see it."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()
