"""End or disturb what writes to an index at chosen system calls, and look what became of it.

`python -m benchmarks.store.kills --cases 300`: a process is killed before a call; the same with all
that was not synced cut off; a call fails with ENOSPC, EIO or EACCES. Nothing acknowledged may be
lost, nothing removed return, and readers always find an index. Needs a C compiler.
"""

from __future__ import annotations

import argparse
import ctypes
import errno
import os
import random
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from benchmarks.store.case import OPERATIONS, REMOVED, State, make, repaired, state_of
from benchmarks.store.forks import Outcome, forked
from benchmarks.store.power_loss import Disk
from benchmarks.store.sweep import count_bad, memory, say
from indexer.store.maintenance.examination import examine
from indexer.store.writer import IndexWriter

_DATA, _SYNC, _NAMES, _OPENED, _READ = 1, 2, 4, 8, 16


@dataclass(frozen=True)
class Harm:
    """What happens at a call: the error number, 0 for a kill, and to which kinds of calls.

    Where ``lasting`` all later calls of these kinds fail too, as on a full disk.
    """

    failure: int
    calls: int
    lasting: bool = False
    power: bool = False


HARMS = {
    "kill": Harm(0, _DATA | _SYNC | _NAMES),
    "power": Harm(0, _DATA | _SYNC | _NAMES, power=True),
    "ENOSPC": Harm(errno.ENOSPC, _DATA, lasting=True),
    "EIO": Harm(errno.EIO, _DATA | _SYNC | _READ),
    "EACCES": Harm(errno.EACCES, _NAMES | _OPENED),
}


class Kills:
    """One case in a folder in memory, and the library that counts calls."""

    def __init__(self, folder: Path, library: ctypes.CDLL) -> None:
        self._base, self._root, self._shadow = (folder / one for one in ("base", "case", "shadow"))
        self._library = library
        self._expect(forked(lambda: make(self._base)))
        self._before = self._state(self._base)
        self._after: dict[str, State] = {}
        self.ended: Counter[str] = Counter()
        self._calls: dict[tuple[str, str], int] = {}

    def try_one(self, operation: str, harm: str, rng: random.Random) -> list[str]:
        """Harm one operation at a call chosen by chance; return what is not as it must be."""
        total = self._total(operation, harm)
        number = rng.randint(1, max(1, total))
        self._prepare(operation)
        disk = Disk(self._root / "index", self._shadow)
        done = forked(lambda: self._armed(operation, HARMS[harm], number))
        self.ended[f"{harm}: {done.kind}"] += 1
        meant = done.kind in ("killed", "refused", "done")
        wrong = [] if meant else [f"{done.kind} {done.message}"]
        if HARMS[harm].power:
            disk.lose()
        wrong += self._look(operation)
        wrong += self._go_on(operation, forgiving=HARMS[harm].power or operation == "repair")
        return [f"{operation} {harm} {number}/{total}: {one}" for one in wrong]

    def _look(self, operation: str) -> list[str]:
        """Read the index as it lies there now."""
        if operation == "repair":
            return []  # of a damaged index: see `_go_on`
        seen = forked(lambda: asdict(state_of(self._root / "index")))
        if seen.kind != "done":
            return [f"a reader: {seen.kind} {seen.message}"]
        return State(**seen.value).neither(self._before, self._after[operation])

    def _go_on(self, operation: str, *, forgiving: bool) -> list[str]:
        """Do the operation again, after a repair where the writer asks for one: all is well."""
        opened = forked(self._open)
        wrong = []
        if opened.kind != "done":
            if not (forgiving and "doctor" in opened.message):
                wrong.append(f"the next writer: {opened.kind} {opened.message}")
            fixed = forked(lambda: repaired(self._root))
            wrong += [] if fixed.kind == "done" else [f"repair: {fixed.kind} {fixed.message}"]
        again = forked(lambda: OPERATIONS[operation](self._root))
        if again.kind != "done":
            return [*wrong, f"again: {again.kind} {again.message}"]
        seen = forked(lambda: asdict(state_of(self._root / "index")))
        if seen.kind != "done":
            return [*wrong, f"a reader afterwards: {seen.kind} {seen.message}"]
        after = self._after[operation]
        wrong += State(**seen.value).neither(after, after)
        health = forked(lambda: [asdict(one) for one in examine(self._root / "index").findings])
        if health.kind != "done" or health.value:
            wrong.append(f"the doctor: {health}")
        return wrong

    def _open(self) -> None:
        with IndexWriter(self._root / "index"):
            pass

    def _armed(self, operation: str, harm: Harm, number: int) -> int:
        self._library.arm(
            os.fsencode(self._root / "index"),
            os.fsencode(self._shadow),
            ctypes.c_long(number),
            harm.failure,
            harm.calls,
            harm.lasting,
        )
        OPERATIONS[operation](self._root)
        return int(self._library.events())

    def _total(self, operation: str, harm: str) -> int:
        """Count the calls of an operation that is left in peace, and note what comes of it."""
        if (operation, harm) not in self._calls:
            self._prepare(operation)
            done = self._expect(forked(lambda: self._armed(operation, HARMS[harm], -1)))
            self._calls[operation, harm] = int(done)
            self._after[operation] = self._state(self._root)
        return self._calls[operation, harm]

    def _prepare(self, operation: str) -> None:
        for folder in (self._root, self._shadow):
            shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(self._base, self._root)
        self._shadow.mkdir()
        if operation == "repair":
            catalog = self._root / "index" / "catalog.duckdb"
            catalog.write_bytes(catalog.read_bytes()[:-300_000])

    def _state(self, root: Path) -> State:
        state = State(**self._expect(forked(lambda: asdict(state_of(root / "index")))))
        names = {Path(one).name for one in state.paths}
        if names & set(REMOVED):
            raise RuntimeError("what was removed is there")
        return state

    def _expect(self, outcome: Outcome) -> Any:
        if outcome.kind != "done":
            raise RuntimeError(f"{outcome.kind}: {outcome.message}")
        return outcome.value


def run(cases: int, seed: int, *, harms: list[str], operations: list[str]) -> Iterator[list[str]]:
    """Yield what was wrong in each case; harms and operations take turns."""
    library = ctypes.CDLL(os.environ[_LIBRARY])
    rng = random.Random(seed)
    with tempfile.TemporaryDirectory(dir=memory()) as folder:
        kills = Kills(Path(folder), library)
        for number in range(cases):
            harm = harms[number % len(harms)]
            operation = operations[number // len(harms) % len(operations)]
            yield kills.try_one(operation, harm, rng)
        say(f"how the operations ended: {dict(kills.ended)}")


_LIBRARY = "DFINDEX_KILLS_LIBRARY"


def restart(arguments: list[str]) -> None:
    """Start this program again with the library in front of the system's own."""
    folder = tempfile.mkdtemp()
    library = Path(folder) / "syscalls.so"
    source = Path(__file__).with_name("syscalls.c")
    subprocess.run(
        ["cc", "-O1", "-shared", "-fPIC", "-o", str(library), str(source), "-ldl"], check=True
    )
    environment = {**os.environ, _LIBRARY: str(library), "LD_PRELOAD": str(library)}
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.store.kills", *arguments], env=environment
    )
    shutil.rmtree(folder)
    sys.exit(done.returncode)


def main(arguments: list[str]) -> None:
    """Run the cases, print what went wrong, and how many of which did not."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", type=int, default=300)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--harm", choices=HARMS, action="append")
    parser.add_argument("--operation", choices=OPERATIONS, action="append")
    given = parser.parse_args(arguments)
    if _LIBRARY not in os.environ:
        restart(arguments)
    os.environ.pop("LD_PRELOAD", None)  # its children are left in peace
    harms, operations = given.harm or [*HARMS], given.operation or [*OPERATIONS]
    tried = run(given.cases, given.seed, harms=harms, operations=operations)
    bad = count_bad(tried, every=25)
    say(f"{given.cases} cases ({', '.join(harms)} x {', '.join(operations)}), {bad} bad")
    sys.exit(1 if bad else 0)


if __name__ == "__main__":
    main(sys.argv[1:])
