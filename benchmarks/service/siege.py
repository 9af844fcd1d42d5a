"""A person beside those who attack the service: latencies, failures, memory, and how it ends.

``python -m benchmarks.service.siege --minutes 10``
"""

from __future__ import annotations

import argparse
import http.client
import json
import multiprocessing
import os
import random
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np

from benchmarks.command import called
from benchmarks.machine import Machine
from benchmarks.service.besiegers import SiegeTarget, besiege
from benchmarks.service.long_film import long_film
from benchmarks.service.process import Running, running

_EDITOR, _VIEWER = "editor-token-of-the-siege", "viewer-token-of-the-siege"
_PHOTOS = Path(__file__).resolve().parents[2] / "data" / "photos"
_LOST = ("pipe", "device", "hole")
_BETWEEN = 0.3  # seconds from an answer to the person's next question


@dataclass(frozen=True, kw_only=True)
class SiegeReport:
    """What the person saw; ``memory_mib`` are the service's at the start, at most and at the end.

    ``failed`` are answers other than 200, by kind of question and status (0 for none at all);
    ``p95_ms_before`` is of the same questions when nobody attacked.
    """

    minutes: float
    connections: int
    requests: int
    failed: dict[str, int]
    p50_ms: float
    p95_ms: float
    max_ms: float
    p95_ms_by_kind: dict[str, float]
    p95_ms_before: dict[str, float]
    memory_mib: tuple[float, float, float]
    ended_s: float
    machine: Machine


@dataclass
class _Person:
    """Somebody who works with the service: what was asked for, and how long that took."""

    port: int
    ids: list[int]
    photo: bytes
    failed: Counter[str] = field(default_factory=Counter)
    seconds: dict[str, list[float]] = field(default_factory=dict)

    def ask(self, number: int) -> None:
        """Ask one question after another: a page, a search, a picture, a file, an upload."""
        chosen = random.choice(self.ids)
        search = json.dumps({"sample_id": chosen, "verify": False}).encode()
        upload = (
            b'--B\r\nContent-Disposition: form-data; name="file"; filename="q.jpg"\r\n\r\n'
            + self.photo
            + b"\r\n--B--\r\n"
        )
        questions = (
            ("page", "GET", "/", None, ""),
            ("search", "POST", "/api/v1/search", search, "application/json"),
            ("thumbnail", "GET", f"/api/v1/samples/{chosen}/thumbnail", None, ""),
            ("file", "GET", f"/api/v1/samples/{chosen}/file", None, ""),
            ("hits", "GET", f"/?query=s-{chosen}&k=5&verify=no", None, ""),
            ("upload", "POST", "/api/v1/search", upload, "multipart/form-data; boundary=B"),
        )
        self._timed(*questions[number % len(questions)])

    def _timed(self, kind: str, method: str, path: str, body: bytes | None, sent: str) -> None:
        headers = {"Authorization": f"Bearer {_VIEWER}", "Content-Type": sent}
        asked = time.perf_counter()
        line = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            line.request(method, path, body, headers)
            answer = line.getresponse()
            answer.read()
            status = answer.status
        except (OSError, http.client.HTTPException):
            status = 0
        finally:
            line.close()
        self.seconds.setdefault(kind, []).append(time.perf_counter() - asked)
        if status != 200:
            self.failed[f"{kind} {status}"] += 1


def main(arguments: list[str] | None = None) -> None:
    """Measure, and print the report as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--connections", type=int, default=600)
    parser.add_argument("--guesses", type=int, default=200)
    options = parser.parse_args(arguments)
    report = run(minutes=options.minutes, connections=options.connections, guesses=options.guesses)
    sys.stdout.write(json.dumps(asdict(report), indent=1) + "\n")


def run(*, minutes: float, connections: int = 600, guesses: int = 200) -> SiegeReport:
    """Index some photographs, serve them, and attack the service while a person uses it."""
    tokens = ("--token", _EDITOR, "--viewer-token", _VIEWER)
    with tempfile.TemporaryDirectory() as folder:
        index, clip = _case(Path(folder)), _long_clip(Path(folder) / "long.mp4")
        with running(index, *tokens) as service:
            known = _ids(service.port)
            lost = tuple(known.pop(name) for name in _lose(index.parent / "corpus"))
            photo = next((index.parent / "corpus").glob("kept-*.jpg")).read_bytes()
            person = _Person(service.port, list(known.values()), photo)
            target = SiegeTarget(
                port=service.port,
                token=_VIEWER,
                lost=lost,
                clip=clip,
                connections=connections,
                guesses=guesses,
            )
            before = _in_peace(person)
            memory, ended = _besieged(service, person, target, 60 * minutes)
    each = np.concatenate([np.array(times) for times in person.seconds.values()])
    return SiegeReport(
        minutes=minutes,
        connections=connections,
        requests=len(each),
        failed=dict(person.failed),
        p50_ms=_ms(each, 50),
        p95_ms=_ms(each, 95),
        max_ms=_ms(each, 100),
        p95_ms_by_kind=_by_kind(person),
        p95_ms_before=before,
        memory_mib=(memory[0], max(memory), memory[-1]),
        ended_s=round(ended, 1),
        machine=Machine.here(("fastapi", "uvicorn", "h11")),
    )


def _in_peace(person: _Person) -> dict[str, float]:
    """Ask before the siege begins: what is loaded at first is no matter of it."""
    for number in range(12):
        person.ask(number)
    person.seconds.clear()
    for number in range(36):
        person.ask(number)
    found = _by_kind(person)
    person.seconds.clear()
    return found


def _by_kind(person: _Person) -> dict[str, float]:
    return {kind: _ms(times, 95) for kind, times in person.seconds.items()}


def _besieged(
    service: Running, person: _Person, target: SiegeTarget, seconds: float
) -> tuple[list[float], float]:
    """Return the service's memory in MiB, second by second, and the seconds that it took to end."""
    memory = [service.memory_mib()]
    with _attackers(target, seconds):
        until, number = time.monotonic() + seconds, 0
        while time.monotonic() < until:
            person.ask(number)
            memory.append(service.memory_mib())
            number += 1
            time.sleep(_BETWEEN)
        return memory, service.end()  # with all attackers still there


@contextmanager
def _attackers(target: SiegeTarget, seconds: float) -> Iterator[None]:
    process = multiprocessing.get_context("spawn").Process(
        target=besiege, args=(target, seconds + 60)
    )
    process.start()
    try:
        yield
    finally:
        process.kill()
        process.join()


def _case(folder: Path) -> Path:
    """Index photographs that stay and some that will be lost, and return the index."""
    (folder / "corpus").mkdir()
    photos = sorted(_PHOTOS.rglob("*.jpg"))[::8]
    for number, photo in enumerate(photos[len(_LOST) :]):
        shutil.copy(photo, folder / "corpus" / f"kept-{number:03d}.jpg")
    for name, photo in zip(_LOST, photos, strict=False):
        shutil.copy(photo, folder / "corpus" / f"{name}.jpg")
    called(["build", "corpus", "--index", "index"], within=folder)
    return folder / "index"


def _lose(corpus: Path) -> list[str]:
    """Put what is no file, or has no end, in the place of files; return their names."""
    for name in _LOST:
        (corpus / f"{name}.jpg").unlink()
    os.mkfifo(corpus / "pipe.jpg")
    (corpus / "device.jpg").symlink_to("/dev/zero")
    with (corpus / "hole.jpg").open("wb") as file:
        file.truncate(1 << 42)
    return [f"{name}.jpg" for name in _LOST]


def _ids(port: int) -> dict[str, int]:
    line = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    headers = {"Authorization": f"Bearer {_VIEWER}"}
    line.request("GET", "/api/v1/samples?limit=1000", headers=headers)
    rows = json.loads(line.getresponse().read())["samples"]
    line.close()
    return {Path(one["path"]).name: one["id"] for one in rows}


def _long_clip(path: Path) -> Path:
    """Write a film of 14 minutes in less than 64 MiB."""
    return long_film(path, 850, base=(9, 16), scale=120, crf=51, preset="veryfast")


def _ms(seconds: object, percent: float) -> float:
    return round(1000 * float(np.percentile(np.asarray(seconds), percent)), 1)


if __name__ == "__main__":
    main()
