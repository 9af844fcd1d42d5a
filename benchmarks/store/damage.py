"""Flip a bit of a file of an index, or cut the file, and look what everybody makes of it.

`python -m benchmarks.store.damage --cases 1000`: whatever the file, a reader answers as before or
refuses, as a writer does; nobody crashes or hangs; the doctor sees all that either of them meets;
after a repair the index builds, and holds what it did but for what is said to be lost.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmarks.store.case import State, compacted, decide, extend, label, make, remove, state_of
from benchmarks.store.forks import Outcome, forked
from benchmarks.store.sweep import count_bad, memory, say
from indexer.store.maintenance.examination import examine
from indexer.store.maintenance.repair import repair
from indexer.store.writer import IndexWriter

# Every kind of file, by where it lies in the index; ``wal``s are left by a writer that was killed.
KINDS = {
    "catalog": "catalog.duckdb",
    "log": "catalog.duckdb.wal",
    "published": "published/catalog.duckdb",
    "ledger": "published/ledger.json",
    "spec": "spaces/*/spec.json",
    "codec": "spaces/*/patch_codec.npz",
    "vectors": "spaces/*/segments/*.cls",
    "patches": "spaces/*/segments/*.patch",
    "keypoints": "spaces/*/segments/*.points",
    "ids": "spaces/*/segments/*.ids",
    "neighbours": "spaces/*/ann/*.faiss",
    "neighbours' card": "spaces/*/ann/*.json",
    "map": "spaces/*/map.npz",
    "probe": "probes/gan/head.safetensors",
    "probe's card": "probes/gan/card.json",
    "scores": "probes/gan/scores.npz",
    "scores' card": "probes/gan/scores.json",
}
_BESIDE_THE_STORE = ("map", "probe", "scores")  # which the command looks at, not the store
_HEADS = 16384  # bytes at the beginning of a file, where a third of all damage is done


class Damage:
    """A case in a folder, copied for each trial."""

    def __init__(self, folder: Path) -> None:
        self._base, self._root = folder / "base", folder / "case"
        _expect(forked(lambda: make(self._base)))
        self._state = State(**_expect(forked(lambda: asdict(state_of(self._base / "index")))))
        self._written = self._after_writing()
        self.met: Counter[str] = Counter()

    def try_one(self, kind: str, rng: random.Random, *, repairing: bool) -> list[str]:
        """Damage one file; return what is not as it must be."""
        self._fresh(logged=kind == "log")
        file = rng.choice(sorted((self._root / "index").glob(KINDS[kind])))
        told = _harm(file, rng)
        reader = forked(self._read)
        wrong = self._judged("a reader", reader, self._state, self._state)
        damaged = file.read_bytes()
        findings, seen = self._doctor(kind)
        writer = self._write(kind)
        wrong += self._judged("a writer", writer, self._state, self._written)
        met = [
            who for who, one in (("a reader", reader), ("a writer", writer)) if one.kind != "done"
        ]
        self.met[f"{kind}: {'met' if met else 'harmless'}, {'seen' if seen else 'unseen'}"] += 1
        if met and not seen:
            wrong.append(f"the doctor does not see what {' and '.join(met)} met: {findings}")
        if repairing and (met or seen):
            self._fresh(logged=kind == "log")
            file.write_bytes(damaged)
            wrong += self._repair(kind)
        return [f"{kind} {told}: {one}" for one in wrong]

    def _read(self) -> Any:
        return asdict(state_of(self._root / "index"))

    def _judged(self, who: str, outcome: Outcome, before: State, after: State) -> list[str]:
        if outcome.kind == "done":
            return [f"{who}: {one}" for one in State(**outcome.value).neither(before, after)]
        if outcome.kind == "refused" and "no index at" not in outcome.message:
            return []
        return [f"{who}: {outcome.kind} {outcome.message}"]

    def _write(self, kind: str) -> Outcome:
        if kind.startswith(_BESIDE_THE_STORE):
            return Outcome("done", asdict(self._state))  # no writer touches them
        done = forked(lambda: _write_all(self._root))
        return forked(self._read) if done.kind == "done" else done

    def _doctor(self, kind: str, *arguments: str) -> tuple[Any, bool]:
        """Return what the doctor says, and whether that is that anything is wrong."""
        index = self._root / "index"
        if kind.startswith(_BESIDE_THE_STORE):
            said = _command(index, "doctor", *arguments)
            return said, bool(said["findings"])
        work = repair if arguments else examine
        found = forked(lambda: _plain(work(index)))
        if found.kind != "done":
            return asdict(found), False
        return found.value, bool(found.value["findings"])

    def _repair(self, kind: str) -> list[str]:
        said, _ = self._doctor(kind, "--repair")
        if "actions" not in said:
            return [f"repair: {said}"]
        built = forked(lambda: extend(self._root))
        if built.kind != "done":
            return [f"a build after the repair: {built.kind} {built.message}"]
        seen = forked(self._read)
        lost = any(one["loses"] for one in said["findings"]) or "lost" in str(said["actions"])
        if seen.kind != "done":
            # A probe that is lost is lost: the rest is read without it.
            return [] if lost and "probe" in seen.message else [f"afterwards: {seen}"]
        after = State(**seen.value)
        wrong = [] if lost else after.neither(self._state, self._written)
        if after.paths.keys() != self._state.paths.keys() and kind != "log":
            wrong.append(f"paths: {sorted(after.paths.keys() ^ self._state.paths.keys())}")
        findings, still = self._doctor(kind)
        return [*wrong, f"the doctor after the repair: {findings}"] if still else wrong

    def _fresh(self, *, logged: bool) -> None:
        shutil.rmtree(self._root, ignore_errors=True)
        shutil.copytree(self._base, self._root)
        if logged:
            forked(lambda: _die_writing(self._root))

    def _after_writing(self) -> State:
        self._fresh(logged=False)
        _expect(forked(lambda: _write_all(self._root)))
        return State(**_expect(forked(self._read)))


def _write_all(root: Path) -> None:
    remove(root)
    label(root)
    decide(root)
    compacted(root)


def _die_writing(root: Path) -> None:
    with IndexWriter(root / "index") as writer:
        writer.catalog.remove_paths([os.fsencode(root / "corpus" / "00005.png")])
        os.kill(os.getpid(), signal.SIGKILL)


def _harm(file: Path, rng: random.Random) -> str:
    """Flip a bit of a file or cut it; return what was done."""
    data = bytearray(file.read_bytes())
    place = rng.randrange(min(len(data), _HEADS) if rng.random() < 1 / 3 else len(data))
    if rng.random() < 0.2:
        file.write_bytes(data[:place])
        return f"{file.name} cut to {place} of {len(data)} bytes"
    bit = rng.randrange(8)
    data[place] ^= 1 << bit
    file.write_bytes(data)
    return f"{file.name} bit {bit} of byte {place} of {len(data)}"


def _plain(examination: Any) -> Any:
    return {
        "findings": [asdict(one) for one in examination.findings],
        "actions": examination.actions,
    }


def _command(index: Path, *arguments: str) -> dict[str, Any]:
    command = [sys.executable, "-m", "dfindex", "--index", str(index), *arguments, "--json"]
    done = subprocess.run(command, capture_output=True, text=True)
    return dict(json.loads(done.stdout))


def _expect(outcome: Outcome) -> Any:
    if outcome.kind != "done":
        raise RuntimeError(f"{outcome.kind}: {outcome.message}")
    return outcome.value


def run(cases: int, seed: int, *, kinds: list[str], repair_every: int = 1) -> Iterator[list[str]]:
    """Yield what was wrong in each case; the kinds take turns. Say last what was met of each."""
    rng = random.Random(seed)
    with tempfile.TemporaryDirectory(dir=memory()) as folder:
        damage = Damage(Path(folder))
        for number in range(cases):
            kind = kinds[number % len(kinds)]
            repairing = number // len(kinds) % repair_every == 0
            yield damage.try_one(kind, rng, repairing=repairing)
        for met, count in sorted(damage.met.items()):
            say(f"{met}: {count}")


def main(arguments: list[str]) -> None:
    """Run the cases, print what went wrong, and what was met of each kind of file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--kind", choices=KINDS, action="append")
    parser.add_argument("--repair-every", type=int, default=1, help="repair after every Nth only")
    given = parser.parse_args(arguments)
    kinds = given.kind or [*KINDS]
    tried = run(given.cases, given.seed, kinds=kinds, repair_every=given.repair_every)
    bad = count_bad(tried, every=50)
    say(f"{given.cases} cases, {bad} bad")
    sys.exit(1 if bad else 0)


if __name__ == "__main__":
    main(sys.argv[1:])
