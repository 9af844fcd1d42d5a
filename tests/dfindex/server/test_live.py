"""A generation is warm before it answers, and takes over what has not changed."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import dfindex
from dfindex.index import Index
from dfindex.maintenance import label_samples
from dfindex.server.live import LiveIndex, warm
from tests.dfindex.server.routes.test_api import ids
from tests.fake_encoder import NAME
from tests.pictures import corpus


def held(live: LiveIndex) -> Any:
    """Return the keypoints that a generation holds in memory already, None where it does not."""
    with live.lease() as index:
        return vars(index.searcher().space).get("keypoints")


def test_nothing_is_left_to_the_first_search_to_read(home: Path) -> None:
    live = LiveIndex(home / "index", Index, partial(warm, None))
    with live:
        first = held(live)
        assert first is not None
        label_samples(home / "index", [ids(home)["00001.png"]], "fake")
        live.refresh()
        with live.lease() as index:
            assert len(index.labels()) == 1
        assert held(live) is first  # a label changes no keypoints
        corpus(home / "more", 2, first_seed=5000)
        dfindex.build([home / "more"], index=home / "index", encoder=NAME, workers=1).close()
        live.refresh()
        assert held(live) is not None
        assert len(held(live)) > len(first)
