"""Marks for lists of cases: a few in the quick suite, all of them in the slow one."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest


def mostly_slow(cases: Iterable[Any], *, quick: int) -> list[Any]:
    """Return the cases, of which all but ``quick`` ones, spread evenly, are marked as slow."""
    every = list(cases)
    kept = {place * len(every) // quick for place in range(quick)}
    return [one if place in kept else _slow(one) for place, one in enumerate(every)]


def _slow(case: Any) -> Any:
    if hasattr(case, "marks"):  # made by pytest.param already
        return pytest.param(*case.values, marks=[*case.marks, pytest.mark.slow], id=case.id)
    return pytest.param(*(case if isinstance(case, tuple) else (case,)), marks=pytest.mark.slow)
