"""Looking at many pairs: all of them in order, and no longer than somebody waits for it."""

from __future__ import annotations

import threading
import time

import pytest

from search.duplicates.pairs import Pair, Relation, related
from search.verdict import Verdict

PAIRS = [Pair(number, number + 1, 0.9) for number in range(400)]


def test_pairs_come_in_order_with_their_relations() -> None:
    heard = []

    def relate(pair: Pair) -> Relation | None:
        return Relation(Verdict.COPY) if pair.first % 2 else None

    found = list(related(relate, PAIRS, lambda step, share: heard.append(share)))
    assert [pair for pair, _ in found] == PAIRS
    assert [relation is not None for _, relation in found] == [False, True] * 200
    assert heard == [number / 400 for number in range(1, 401)]


def test_who_stops_does_not_wait_for_the_rest() -> None:
    looked = []

    def relate(pair: Pair) -> None:
        looked.append(pair)
        time.sleep(0.02)

    def stop(step: str, share: float) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        list(related(relate, PAIRS, stop))
    assert len(looked) < 50
    assert not [one for one in threading.enumerate() if one.name.startswith("verify")]
