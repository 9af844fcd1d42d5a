"""The service in a process of its own, as a measurement needs it."""

from __future__ import annotations

import json
import re
import subprocess
import tempfile
import time
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
    process: subprocess.Popen[bytes]

    def end(self) -> float:
        """Ask it to end, and return the seconds that it took."""
        asked = time.monotonic()
        self.process.terminate()
        self.process.wait(timeout=60)
        return time.monotonic() - asked

    @property
    def address(self) -> str:
        """Where it answers, without a slash at the end."""
        return f"http://127.0.0.1:{self.port}"

    def json(self, path: str) -> Any:
        """Return what it answers to a GET."""
        with urllib.request.urlopen(self.address + path) as answer:
            return json.load(answer)

    def memory_mib(self) -> float:
        """Return how much of its memory is resident."""
        lines = Path(f"/proc/{self.pid}/status").read_text().splitlines()
        status = dict(line.split(":", 1) for line in lines)
        return round(int(status["VmRSS"].split()[0]) / 1024, 1)

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
def running(index: Path, *options: str) -> Iterator[Running]:
    """Start the service over an index on a free port, and stop it at the end."""
    with tempfile.TemporaryDirectory() as folder:
        command = [*DFINDEX, "serve", "--index", str(index), "--port", "0", *options]
        log = Path(folder) / "log"  # a pipe that nobody reads would stop the service
        with log.open("a") as said:
            service = subprocess.Popen(command, stderr=said)
        try:
            yield Running(service.pid, _port(service, log), service)
        finally:
            service.terminate()
            service.wait(timeout=30)


def _port(service: subprocess.Popen[bytes], log: Path) -> int:
    """Read the port from what the service says when it is ready."""
    while True:
        ended = service.poll() is not None
        said = log.read_text()
        found = re.search(r"http://127\.0\.0\.1:(\d+)/", said)
        if found:
            return int(found[1])
        if ended:
            raise RuntimeError(f"the service did not start: {said}")
        time.sleep(0.05)
