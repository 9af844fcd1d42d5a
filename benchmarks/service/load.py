"""Ask the service as many clients at once do: latencies, statuses, memory.

``python -m benchmarks.service.load --samples 100000 --clients 32 --seconds 60``
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import re
import sys
import tempfile
import time
from collections import Counter
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np

from benchmarks.machine import Machine
from benchmarks.service.index import make_index
from benchmarks.service.process import Running, running

_ASKED_FOR = 20_000  # samples the clients choose from


@dataclass(frozen=True, kw_only=True)
class LoadReport:
    """What the clients saw, in milliseconds, and what the service took, in MiB."""

    samples: int
    clients: int
    seconds: float
    requests: int
    a_second: float
    statuses: dict[int, int]
    p50_ms: float
    p95_ms: float
    p99_ms: float
    max_ms: float
    service_cpu_ms_a_request: float
    memory_mib: tuple[float, ...]
    machine: Machine


@dataclass
class _Seen:
    """What one client has seen so far."""

    latencies: list[float] = field(default_factory=list)
    statuses: Counter[int] = field(default_factory=Counter)


def main(arguments: list[str] | None = None) -> None:
    """Measure, and print the report as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--samples", type=int, default=100_000)
    parser.add_argument("--clients", type=int, default=32)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--index", type=Path, help="An index that is there; else one is made.")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        index = options.index or Path(folder) / "index"
        if not index.exists():
            make_index(index, options.samples)
        report = run(index, clients=options.clients, seconds=options.seconds)
    sys.stdout.write(json.dumps(asdict(report), indent=1) + "\n")


def run(index: Path, *, clients: int, seconds: float) -> LoadReport:
    """Start the service over an index and ask it for the neighbours of random samples."""
    with running(index) as service:
        samples = service.json("/api/v1/samples?limit=1")["total"]
        ids = service.sample_ids(_ASKED_FOR)
        before = _cpu_seconds(service.pid)
        seen, memory, took = asyncio.run(_load(service, ids, clients, seconds))
        cpu = _cpu_seconds(service.pid) - before
    latencies = 1000 * np.sort(np.concatenate([one.latencies for one in seen]))
    statuses: Counter[int] = sum((one.statuses for one in seen), Counter())
    p50, p95, p99 = np.percentile(latencies, [50, 95, 99])
    return LoadReport(
        samples=samples,
        clients=clients,
        seconds=round(took, 1),
        requests=len(latencies),
        a_second=round(len(latencies) / took, 1),
        statuses=dict(statuses),
        p50_ms=round(float(p50), 1),
        p95_ms=round(float(p95), 1),
        p99_ms=round(float(p99), 1),
        max_ms=round(float(latencies[-1]), 1),
        service_cpu_ms_a_request=round(1000 * cpu / len(latencies), 2),
        memory_mib=tuple(memory),
        machine=Machine.here(("faiss-cpu", "fastapi", "uvicorn", "duckdb")),
    )


async def _load(
    service: Running, ids: list[int], clients: int, seconds: float
) -> tuple[list[_Seen], list[float], float]:
    started = time.monotonic()
    until = started + seconds
    seen = [_Seen() for _ in range(clients)]
    tasks = [
        asyncio.create_task(_client(service.port, ids, until, one, number))
        for number, one in enumerate(seen)
    ]
    memory = [service.memory_mib()]
    while time.monotonic() < until:
        await asyncio.sleep(min(10.0, max(0.0, until - time.monotonic())))
        memory.append(service.memory_mib())
    await asyncio.gather(*tasks)
    return seen, memory, time.monotonic() - started


async def _client(port: int, ids: list[int], until: float, seen: _Seen, number: int) -> None:
    """Ask one question after another over one connection."""
    rng = random.Random(number)
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    while time.monotonic() < until:
        body = json.dumps({"sample_id": rng.choice(ids), "verify": False}).encode()
        asked = time.perf_counter()
        writer.write(
            b"POST /api/v1/search HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
            b"Content-Length: " + str(len(body)).encode() + b"\r\n\r\n" + body
        )
        head = await reader.readuntil(b"\r\n\r\n")
        length = re.search(rb"content-length: (\d+)", head, re.IGNORECASE)
        assert length is not None, head
        await reader.readexactly(int(length[1]))
        seen.latencies.append(time.perf_counter() - asked)
        seen.statuses[int(head.split(b" ", 2)[1])] += 1
    writer.close()
    await writer.wait_closed()


def _cpu_seconds(pid: int) -> float:
    """Return what a process has computed so far, which other load on the machine hardly changes."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


if __name__ == "__main__":
    main()
