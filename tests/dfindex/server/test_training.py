"""Training over HTTP: nobody who labels waits for it, and it is kept although nobody waits."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

import dfindex.probing.probes
from tests.dfindex.server.conftest import Serve
from tests.dfindex.server.routes.test_api import ids


@pytest.fixture
def slow_training(monkeypatch: pytest.MonkeyPatch) -> threading.Event:
    """Let training wait until the event is set."""
    go_on = threading.Event()
    evaluate: Any = dfindex.probing.probes.evaluate

    def waiting(*arguments: Any, **options: Any) -> Any:
        assert go_on.wait(60)
        return evaluate(*arguments, **options)

    monkeypatch.setattr(dfindex.probing.probes, "evaluate", waiting)
    return go_on


def labelled(client: TestClient, home: Path) -> int:
    """Label all pictures but one in turn as real and fake, and return that one."""
    numbers = sorted(ids(home).values())
    for place, label in enumerate(("real", "fake")):
        body = {"sample_ids": numbers[place:-1:2], "label": label}
        assert client.post("/api/v1/labels", json=body).status_code == 200
    return numbers[-1]


def probes(client: TestClient) -> list[str]:
    return [one["name"] for one in client.get("/api/v1/probes").json()["probes"]]


@pytest.mark.slow
def test_labels_do_not_wait_for_training(
    client: TestClient, home: Path, slow_training: threading.Event
) -> None:
    last = labelled(client, home)
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(client.post, "/probes", data={"name": "p"}, follow_redirects=False)
        time.sleep(0.5)
        for label in ("real", "fake"):
            done = client.post("/api/v1/labels", json={"sample_id": last, "label": label})
            assert done.json() == {"labelled": 1}
        assert not asked.done()
        slow_training.set()
        assert asked.result().status_code == 303
    assert probes(client) == ["p"]
    applied = client.post("/api/v1/probes/p/apply").json()
    assert applied["scored"] == 24
    found = client.get("/api/v1/samples?where=probe.p >= 0").json()
    assert found["total"] == 24


@pytest.mark.slow
def test_training_that_takes_long_is_kept_all_the_same(
    serve: Serve, home: Path, slow_training: threading.Event
) -> None:
    client = serve(allowance={"seconds": 3.0})
    labelled(client, home)
    answer = client.post("/probes", data={"name": "p"}, follow_redirects=False)
    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "timeout")
    assert "look again" in answer.json()["error"]["hint"]
    assert probes(client) == []
    slow_training.set()
    until = time.monotonic() + 60
    while not probes(client) and time.monotonic() < until:
        time.sleep(0.1)
    assert probes(client) == ["p"]
