"""Who writes: told by the lock, not by what a file says."""

from __future__ import annotations

import json
import os
import socket
import threading
from pathlib import Path

import pytest

from indexer.errors import IndexLockedError
from indexer.store.lock import WriterLock, writer_of


def test_the_writer_is_told_while_it_writes(tmp_path: Path) -> None:
    assert writer_of(tmp_path) is None
    with WriterLock(tmp_path):
        told = writer_of(tmp_path)
        assert told is not None
        assert (told["pid"], told["host"]) == (os.getpid(), socket.gethostname())
        with pytest.raises(IndexLockedError, match=f"process {os.getpid()} on"):
            WriterLock(tmp_path)
    assert writer_of(tmp_path) is None


@pytest.mark.parametrize("words", ["live", "nonsense", "", "[1]", "7"])
def test_what_a_dead_writer_left_is_not_believed(tmp_path: Path, words: str) -> None:
    left = {"pid": os.getppid(), "host": socket.gethostname(), "since": 1}
    (tmp_path / "LOCK").write_text(json.dumps(left) if words == "live" else words)
    assert writer_of(tmp_path) is None


def test_a_lock_that_says_nothing_is_still_held(tmp_path: Path) -> None:
    with WriterLock(tmp_path):
        (tmp_path / "LOCK").write_text("[]")
        assert writer_of(tmp_path) == {}


def test_asking_keeps_no_writer_out(tmp_path: Path) -> None:
    ends = threading.Event()

    def ask() -> None:
        while not ends.is_set():
            writer_of(tmp_path)

    asking = threading.Thread(target=ask)
    asking.start()
    try:
        for _ in range(200):
            WriterLock(tmp_path).close()
    finally:
        ends.set()
        asking.join()
