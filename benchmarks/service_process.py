"""The service in a process of its own, as a measurement needs it."""

from __future__ import annotations

import json
import re
import subprocess
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.command import DFINDEX


@dataclass(frozen=True)
class Running:
    """A service that answers on 127.0.0.1."""

    pid: int
    port: int

    @property
    def address(self) -> str:
        """Where it answers, without a slash at the end."""
        return f"http://127.0.0.1:{self.port}"

    def json(self, path: str) -> Any:
        """Return what it answers to a GET."""
        with urllib.request.urlopen(self.address + path) as answer:
            return json.load(answer)

    def sample_ids(self, most: int) -> list[int]:
        """Return ids of samples, page by page, until there are enough or no more."""
        ids: list[int] = []
        after: int | None = 0
        while after is not None and len(ids) < most:
            page = self.json(f"/api/v1/samples?limit=1000&after={after}")
            ids += [one["id"] for one in page["samples"]]
            after = page["next"]
        return ids


@contextmanager
def running(index: Path) -> Iterator[Running]:
    """Start the service over an index on a free port, and stop it at the end."""
    service = subprocess.Popen(
        [*DFINDEX, "serve", "--index", str(index), "--port", "0"],
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield Running(service.pid, _port(service))
    finally:
        service.terminate()
        service.wait(timeout=30)


def _port(service: subprocess.Popen[str]) -> int:
    """Read the port from what the service says when it is ready."""
    assert service.stderr is not None
    said = ""
    for line in service.stderr:
        said += line
        found = re.search(r"http://127\.0\.0\.1:(\d+)/", line)
        if found:
            return int(found[1])
    raise RuntimeError(f"the service did not start: {said}")
