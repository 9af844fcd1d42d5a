"""How long the parts of a search take."""

from __future__ import annotations

import time

from search.results import Timing


class Clock:
    """Takes the times of a search's parts."""

    def __init__(self) -> None:
        self._started = self._last = time.perf_counter()
        self._laps: dict[str, float] = {}

    def lap(self, name: str) -> None:
        """Note the milliseconds since the last lap."""
        now = time.perf_counter()
        self._laps[name] = 1000 * (now - self._last)
        self._last = now

    def timing(self) -> Timing:
        """Return all laps and their sum."""
        return Timing(**self._laps, total=1000 * (self._last - self._started))
