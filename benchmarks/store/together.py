"""Build, remove, compact, label, look for duplicates and serve at once, with readers throughout.

``python -m benchmarks.store.together --minutes 10``
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import random
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from benchmarks.command import DFINDEX, called
from benchmarks.machine import Machine
from benchmarks.service.process import running
from benchmarks.store.readers import read_on, state_of

_BUSY = ("is being written by", '"locked"')
_PATIENCE = 300.0  # seconds that a change is tried again while another writes
_READERS = 2


@dataclass(frozen=True, kw_only=True)
class TogetherReport:
    """What was done and what went wrong; ``same`` is whether the end is that of one by one.

    ``busy`` counts the changes that were told to come again since another was writing.
    """

    minutes: float
    done: dict[str, int]
    failed: dict[str, int]
    busy: dict[str, int]
    samples: int
    same: bool
    machine: Machine


@dataclass
class _Case:
    """A corpus that grows and shrinks, its index, and what became of both."""

    folder: Path
    port: int = 0
    made: int = 0
    indexed: set[Path] = field(default_factory=set)
    removed: set[Path] = field(default_factory=set)
    labels: dict[str, str] = field(default_factory=dict)
    done: Counter[str] = field(default_factory=Counter)
    failed: Counter[str] = field(default_factory=Counter)
    busy: Counter[str] = field(default_factory=Counter)

    @property
    def index(self) -> Path:
        """Where the index lies."""
        return self.folder / "index"

    def add(self, kind: str, count: int) -> None:
        """Draw pictures: those of the kind ``keep`` stay, those of ``drop`` are removed again."""
        (self.folder / "corpus" / kind).mkdir(parents=True, exist_ok=True)
        for _ in range(count):
            path = self.folder / "corpus" / kind / f"{self.made:05d}.png"
            _drawn(self.made).save(path.with_suffix(".tmp"), "PNG")
            path.with_suffix(".tmp").rename(path)
            self.made += 1

    def command(self, name: str, *arguments: str, fine: tuple[int, ...] = (0,)) -> bool:
        """Run a command, again while another writes; tell whether it ended as it should."""
        until = time.monotonic() + _PATIENCE
        while True:
            done = subprocess.run(
                [*DFINDEX, *arguments], cwd=self.folder, capture_output=True, text=True
            )
            if done.returncode in fine or time.monotonic() > until:
                break
            if not any(words in done.stderr for words in _BUSY):
                break
            self.busy[name] += 1
            time.sleep(random.uniform(0.1, 0.5))
        return self._noted(name, done.returncode in fine, done.stderr.strip()[-200:])

    def request(self, name: str, path: str, body: dict[str, Any] | None = None) -> Any:
        """Ask the service, again while another writes; return what it says, None where it fails."""
        data = None if body is None else json.dumps(body).encode()
        asked = urllib.request.Request(
            f"http://127.0.0.1:{self.port}{path}", data, {"Content-Type": "application/json"}
        )
        until = time.monotonic() + _PATIENCE
        while True:
            try:
                with urllib.request.urlopen(asked, timeout=90) as answer:
                    said = answer.read()
                self._noted(name, True)
                return json.loads(said) if said[:1] in b"{[" else {}
            except urllib.error.HTTPError as error:
                words = error.read().decode()
                if not any(one in words for one in _BUSY) or time.monotonic() > until:
                    self._noted(name, False, f"{error.code} {words[:200]}")
                    return None
                self.busy[name] += 1
                time.sleep(random.uniform(0.1, 0.5))
            except OSError as error:
                self._noted(name, False, str(error))
                return None

    def _noted(self, name: str, fine: bool, words: str = "") -> bool:
        (self.done if fine else self.failed)[name if fine else f"{name}: {words}"] += 1
        return fine


def main(arguments: list[str] | None = None) -> None:
    """Measure, and print the report as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=10.0)
    options = parser.parse_args(arguments)
    sys.stdout.write(json.dumps(asdict(run(minutes=options.minutes)), indent=1) + "\n")


def run(*, minutes: float) -> TogetherReport:
    """Do everything at once for a time, then compare the end with an index built at one go."""
    with tempfile.TemporaryDirectory() as folder:
        case = _Case(Path(folder))
        case.add("keep", 40)
        _build(case)
        with running(case.index) as service:
            case.port = service.port
            _at_once(case, 60 * minutes)
        same = _ended(case)
        return TogetherReport(
            minutes=minutes,
            done=dict(case.done),
            failed=dict(case.failed),
            busy=dict(case.busy),
            samples=len(case.indexed),
            same=same,
            machine=Machine.here(("duckdb", "faiss-cpu", "fastapi", "uvicorn")),
        )


def _at_once(case: _Case, seconds: float) -> None:
    until = time.monotonic() + seconds
    spawn = multiprocessing.get_context("spawn")
    told: multiprocessing.Queue[dict[str, int]] = spawn.Queue()
    readers = [
        spawn.Process(target=read_on, args=(case.index, seconds, number, told))
        for number in range(_READERS)
    ]
    steps = (_build, _remove, _compact, _label, _duplicates, _ask, _look, _doctor)
    threads = [threading.Thread(target=_again, args=(case, step, until)) for step in steps]
    for reader in readers:
        reader.start()
    for thread in threads:
        thread.start()
    for _ in readers:
        for words, count in told.get().items():
            (case.failed if words.startswith("reader:") else case.done)[words] += count
    for thread in threads:
        thread.join()
    for reader in readers:
        reader.join()


def _again(case: _Case, step: Callable[[_Case], None], until: float) -> None:
    while time.monotonic() < until:
        step(case)
        time.sleep(random.uniform(0.1, 1.0))


def _build(case: _Case) -> None:
    case.add("keep", 2)
    case.add("drop", 2)
    there = set((case.folder / "corpus").rglob("*.png"))
    if case.command("build", "build", "corpus", "--index", "index"):
        case.indexed |= there - case.removed


def _remove(case: _Case) -> None:
    mine = sorted(one for one in case.indexed if one.parent.name == "drop")
    if mine:
        case.removed.add(mine[0])
        mine[0].unlink(missing_ok=True)
        if case.command("remove", "remove", str(mine[0]), "--index", "index"):
            case.indexed.discard(mine[0])


def _compact(case: _Case) -> None:
    case.command("compact", "compact", "--index", "index")
    time.sleep(2)


def _duplicates(case: _Case) -> None:
    case.request("duplicates over HTTP", "/api/v1/duplicates?min_score=0.99")
    case.command("duplicates", "duplicates", "--json", "--index", "index", fine=(0, 1))


def _doctor(case: _Case) -> None:
    case.command("doctor", "doctor", "--index", "index")
    time.sleep(5)


def _kept(case: _Case) -> dict[str, Any] | None:
    """Return a sample that stays."""
    answer = case.request("samples", "/api/v1/samples?limit=1000&where=path%20like%20'%25keep%25'")
    return random.choice(answer["samples"]) if answer else None


def _label(case: _Case) -> None:
    sample = _kept(case)
    if sample is not None:
        label = random.choice(("real", "fake"))
        body = {"sample_id": sample["id"], "label": label}
        if case.request("label", "/api/v1/labels", body):
            case.labels[sample["path"]] = label


def _ask(case: _Case) -> None:
    sample = _kept(case)
    if sample is not None:
        for verify in (False, True):
            body = {"sample_id": sample["id"], "k": 3, "verify": verify}
            found = case.request("search", "/api/v1/search", body)
            if found and found["hits"][0]["verdict"] != "exact":
                case.failed["search: not itself"] += 1


def _look(case: _Case) -> None:
    sample = _kept(case)
    if sample is not None:
        case.request("thumbnail", f"/api/v1/samples/{sample['id']}/thumbnail")
        case.request("file", f"/api/v1/samples/{sample['id']}/file")
        case.request("status", "/api/v1/status")


def _ended(case: _Case) -> bool:
    """Do what was left undone, and tell whether an index made at one go says the same."""
    for path in sorted(case.indexed):
        if path.parent.name == "drop":
            _remove(case)
    case.command("doctor", "doctor", "--index", "index")
    called(["build", "corpus", "--index", "fresh"], within=case.folder)
    mine, fresh = state_of(case.index), state_of(case.folder / "fresh")
    if mine.keys() != fresh.keys() or {Path(one) for one in mine} != case.indexed:
        return False
    return all(
        np.allclose(vector, fresh[path][0], atol=2e-3) and label == case.labels.get(path)
        for path, (vector, label) in mine.items()
    )


def _drawn(number: int) -> Image.Image:
    """Draw a picture of its own for each number."""
    rng = np.random.default_rng(number)
    coarse = rng.integers(0, 256, (8, 10, 3), np.uint8)
    fine = rng.integers(0, 60, (192, 240, 3), np.uint8)
    large = Image.fromarray(coarse).resize((240, 192), Image.Resampling.BICUBIC)
    return Image.fromarray((np.asarray(large) * 0.75 + fine).clip(0, 255).astype(np.uint8))


if __name__ == "__main__":
    main()
