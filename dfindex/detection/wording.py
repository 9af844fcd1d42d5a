"""The three words for a picture, and the threshold that stands between them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from indexer.errors import UsageError

NEARLY = 10  # undecided from where ten times as many real pictures lie above
_SURE, _CLEAR = 0.9, 0.1


class Word(StrEnum):
    """What is said of a picture; nothing is ever called authentic."""

    FAKE = "fake"
    UNDECIDED = "undecided"
    NO_SIGN = "no sign of fakery"


@dataclass(frozen=True, kw_only=True)
class HeadThreshold:
    """``fake`` from one probability on, ``no sign of fakery`` below another, undecided between.

    ``given`` is False for the cautious band that is used where nobody named a threshold.
    """

    fake_from: float
    no_sign_below: float
    given: bool = True

    def __post_init__(self) -> None:
        if not 0 <= self.no_sign_below <= self.fake_from <= 1:
            raise UsageError(f"expected a threshold from 0 to 1, got {self.fake_from:g}")

    def word(self, probability: float | None, *, sure: bool) -> Word:
        """Return the word for a probability; undecided where the orientation is not ``sure``."""
        if probability is None or not sure:
            return Word.UNDECIDED
        if probability >= self.fake_from:
            return Word.FAKE
        return Word.NO_SIGN if probability < self.no_sign_below else Word.UNDECIDED


UNCALIBRATED = HeadThreshold(fake_from=_SURE, no_sign_below=_CLEAR, given=False)


def at_probability(value: float) -> HeadThreshold:
    """Return the threshold somebody named; from half of it on a picture is undecided."""
    return HeadThreshold(fake_from=value, no_sign_below=value / 2)


def at_false_positive_rate(real: Sequence[float], rate: float) -> HeadThreshold:
    """Return the threshold that at most a share ``rate`` of real pictures like these reaches.

    ``real`` are probabilities of real pictures. Counted as conformal prediction does (Vovk et
    al. 2005): one more picture than there are stands above, so that the rate holds for the next
    one too. Undecided is what reaches the threshold of ten times the rate, at most one half.
    """
    if not 0 < rate < 1:
        raise UsageError(f"expected a false-positive rate between 0 and 1, got {rate:g}")
    needed = math.ceil(1 / rate) - 1
    if len(real) < needed:
        raise UsageError(
            f"expected at least {needed} real pictures for a false-positive rate of {rate:g}, "
            f"got {len(real)}; label more, or allow a higher --fpr"
        )
    return HeadThreshold(
        fake_from=_reached_by(real, rate), no_sign_below=_reached_by(real, min(0.5, NEARLY * rate))
    )


def _reached_by(real: Sequence[float], rate: float) -> float:
    falling = np.sort(np.asarray(real, np.float64))[::-1]
    reached = falling[math.floor(rate * (len(falling) + 1)) - 1]
    return float(min(np.nextafter(reached, 2.0), 1.0))
