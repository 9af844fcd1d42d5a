"""The command line in a process of its own, as a person calls it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

DFINDEX = [sys.executable, "-m", "dfindex"]
_ANSWERS = (0, 1)  # done, or nothing found


def called(arguments: list[str], *, within: Path) -> str:
    """Run a command in a folder and return what it prints; raise RuntimeError where it fails."""
    done = subprocess.run([*DFINDEX, *arguments], cwd=within, capture_output=True, text=True)
    if done.returncode not in _ANSWERS:
        raise RuntimeError(f"dfindex {' '.join(arguments)}: {done.stderr.strip()}")
    return done.stdout
