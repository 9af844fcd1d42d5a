"""Run many commands, each in a process of its own whose circumstances are adverse.

One process imports what commands need and splits off a child for each of them: starting Python
for each would take longer than all the rest.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.checkout import ROOT

_DRIVER = """
import ctypes, json, os, resource, struct, sys, tempfile
import av, cv2, duckdb, faiss, sklearn.linear_model, torch
import tests.fake_encoder
from dfindex.cli import main
asked = json.load(sys.stdin)
for arguments in asked["commands"]:
    out, (reading, writing) = tempfile.TemporaryFile(), os.pipe()
    pid = os.fork()
    if not pid:
        os.dup2(os.open(asked["out"], os.O_WRONLY) if asked["out"] else out.fileno(), 1)
        os.dup2(writing, 2)
        os.chdir(asked["within"])
        if asked["most_bytes"]:
            resource.setrlimit(resource.RLIMIT_FSIZE, (asked["most_bytes"],) * 2)
        if asked["bare"]:  # as anybody, for whom permissions hold: no capabilities
            head, none = struct.pack("Ii", 0x20080522, 0), struct.pack("6I", *[0] * 6)
            ctypes.CDLL(None).capset(head, none)
        try:
            main(arguments, prog_name="dfindex")
        except SystemExit as end:
            os._exit(end.code)
        except BaseException:
            os._exit(99)
    os.close(writing)
    with os.fdopen(reading, "rb") as errors:  # no file, which would be limited as others are
        err = errors.read()
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    out.seek(0)
    told = (one.decode(errors="replace") for one in (out.read(), err))
    print(json.dumps([arguments, code, *told]), flush=True)
"""


@dataclass(frozen=True)
class Done:
    """How a command ended."""

    arguments: list[str]
    code: int
    out: str
    err: str

    def refused(self, *words: str) -> bool:
        """Tell whether it ended with exit code 3 and one line that has some words."""
        told = self.err.splitlines()
        one_line = self.code == 3 and len(told) == 1 and told[0].startswith("dfindex: ")
        return one_line and all(word in told[0] for word in words) and "unforeseen" not in told[0]


def run_all(
    commands: Sequence[Sequence[object]],
    *,
    within: Path,
    out: str = "",
    most_bytes: int = 0,
    bare: bool = False,
) -> list[Done]:
    """Run commands, one after the other, in a folder.

    ``out`` takes standard output; ``most_bytes`` of a file can be written;
    ``bare``: permissions hold for them, whoever runs the tests.
    """
    asked = {
        "commands": [list(map(str, one)) for one in commands],
        "within": str(within),
        "out": out if out or not most_bytes else os.devnull,
        "most_bytes": most_bytes,
        "bare": bare,
    }
    one_thread = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-c", _DRIVER],
        input=json.dumps(asked),
        env={**os.environ, **one_thread, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return [Done(*json.loads(line)) for line in done.stdout.splitlines()]
