"""Duplicates in the service: found beside the requests, kept until newer ones are there."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from starlette.testclient import TestClient

import dfindex
from dfindex.index import Index
from indexer.store.catalog.probe_scores import ProbeScores, probe_folder, save_scores
from tests.dfindex.server.conftest import Serve
from tests.dfindex.server.routes.test_api import ids


@pytest.fixture
def slow_groups(monkeypatch: pytest.MonkeyPatch) -> threading.Event:
    """Let finding groups wait until the event is set; a word of progress is heard before."""
    go_on = threading.Event()
    find: Any = Index.duplicates

    def waiting(self: Index, **options: Any) -> Any:
        while not go_on.wait(0.01):
            options["progress"]("comparing pixels", 0.25)
        return find(self, **options)

    monkeypatch.setattr(Index, "duplicates", waiting)
    return go_on


def test_groups_are_those_of_the_command_line(client: TestClient, home: Path) -> None:
    with dfindex.open(home / "index") as index:
        expected = index.duplicates(min_score=0.9).to_json()
    answer = client.get("/api/v1/duplicates?min_score=0.9").json()
    assert answer["pairs_checked"] == expected["pairs_checked"]
    assert [group["id"] for group in answer["groups"]] == [one["id"] for one in expected["groups"]]


def test_the_page_answers_while_groups_are_found(
    serve: Serve, slow_groups: threading.Event
) -> None:
    client = serve(allowance={"seconds": 0.3})
    page = client.get("/duplicates?min_score=0.9").text
    assert "comparing pixels, 25 %" in page
    assert 'hx-get="/duplicates?min_score=0.9"' in page
    busy = client.get("/api/v1/duplicates?min_score=0.9")
    assert (busy.status_code, busy.headers["retry-after"]) == (503, "10")
    slow_groups.set()
    found = client.get("/api/v1/duplicates?min_score=0.9")
    while found.status_code == 503:
        found = client.get("/api/v1/duplicates?min_score=0.9")
    total = len(found.json()["groups"])
    assert f"{total} group" in client.get("/duplicates?min_score=0.9").text


@pytest.mark.slow
def test_a_decision_does_not_empty_the_page(
    client: TestClient, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    client.get("/api/v1/duplicates")
    numbers = ids(home)
    pair = {"a": numbers["00002.png"], "b": numbers["00003.png"], "decision": "same"}
    found: Any = Index.duplicates
    go_on = threading.Event()

    def waiting(self: Index, **options: Any) -> Any:
        go_on.wait(30)
        return found(self, **options)

    monkeypatch.setattr(Index, "duplicates", waiting)
    client.post("/duplicates/decide", data=pair)
    assert "found anew" in client.get("/duplicates").text
    go_on.set()
    members = [
        {Path(one["sample"]["path"]).name for one in group["members"]}
        for group in client.get("/api/v1/duplicates").json()["groups"]
    ]
    assert {"00002.png", "00003.png"} in members


def test_a_probe_that_is_applied_again_changes_what_is_asked_for(
    client: TestClient, home: Path
) -> None:
    numbers = np.array(sorted(ids(home).values()))
    folder = probe_folder(home / "index", "gan")
    folder.mkdir(parents=True)

    def groups(score: float) -> dict[str, Any]:
        scores = np.full(len(numbers), score)
        save_scores(folder, ProbeScores(ids=numbers, scores=scores, spaces=()))
        asked = {"min_score": 0.5, "where": "probe.gan > 0.5"}
        found: dict[str, Any] = client.get("/api/v1/duplicates", params=asked).json()
        return found

    assert groups(0.1)["pairs_checked"] == 0
    assert groups(0.9)["pairs_checked"] > 0
    assert groups(0.1)["pairs_checked"] == 0


def test_a_filter_that_makes_no_sense_is_refused(client: TestClient) -> None:
    for path in ("/api/v1/duplicates", "/duplicates"):
        assert client.get(path, params={"where": "colour ="}).status_code == 422


def test_stopping_does_not_wait_for_the_groups(serve: Serve, slow_groups: threading.Event) -> None:
    client = serve(allowance={"seconds": 0.1})
    assert client.get("/api/v1/duplicates").status_code == 503
    client.__exit__(None, None, None)
    assert not slow_groups.is_set()
    assert not [one for one in threading.enumerate() if one.name.startswith("duplicates")]
