from __future__ import annotations

import fcntl
import hashlib
import os
import signal
import time
from pathlib import Path

import pytest

from indexer.errors import MediaError
from indexer.media.files import Limits, digest_of, open_file, read_file, stamp_of
from indexer.types import Reason


def test_a_file_is_read_whole(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_bytes(b"abc")
    assert read_file(path, limits=Limits()) == b"abc"
    assert read_file(os.fsencode(path), limits=Limits(bytes=3)) == b"abc"


@pytest.mark.timeout(10)
def test_what_is_no_readable_file_is_named_without_waiting(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "folder.jpg").mkdir()
    (tmp_path / "empty.jpg").touch()
    (tmp_path / "large.jpg").write_bytes(b"12345")
    (tmp_path / "broken").symlink_to("nowhere")
    (tmp_path / "loop").symlink_to("loop")
    expected = {
        "pipe": Reason.NOT_MEDIA,
        "folder.jpg": Reason.NOT_MEDIA,
        "empty.jpg": Reason.EMPTY,
        "large.jpg": Reason.TOO_LARGE,
        "broken": Reason.UNREADABLE,
        "loop": Reason.UNREADABLE,
        "missing": Reason.UNREADABLE,
    }
    got = {}
    for name in expected:
        with pytest.raises(MediaError) as caught:
            read_file(tmp_path / name, limits=Limits(bytes=4))
        got[name] = caught.value.reason
    assert got == expected
    with pytest.raises(MediaError) as caught:
        read_file(Path("/dev/zero"), limits=Limits())
    assert caught.value.reason is Reason.NOT_MEDIA


def test_no_more_of_a_file_is_hashed_than_is_allowed(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_bytes(b"abc" * 1_000_000)
    with open_file(path) as file:
        assert digest_of(file, 3_000_000) == hashlib.sha256(b"abc" * 1_000_000).hexdigest()
        with pytest.raises(MediaError) as caught:
            digest_of(file, 2_999_999)
    assert caught.value.reason is Reason.TOO_LARGE
    with path.open("wb") as large:
        large.truncate(1 << 42)  # a hole
    with open_file(path) as file, pytest.raises(MediaError):
        digest_of(file, 3_000_000)


@pytest.mark.skipif(not hasattr(fcntl, "F_SETLEASE"), reason="only Linux has leases")
def test_a_file_that_another_holds_back_is_not_waited_for(tmp_path: Path) -> None:
    """A lease is how a file server keeps others from a file: opening it would take 45 seconds."""
    path = tmp_path / "x"
    path.write_bytes(b"abc")
    before = signal.signal(signal.SIGIO, signal.SIG_IGN)  # the system asks the holder so
    try:
        with path.open("r+b") as held:
            fcntl.fcntl(held, fcntl.F_SETLEASE, fcntl.F_WRLCK)
            started = time.monotonic()
            with pytest.raises(MediaError) as caught:
                open_file(path)
            assert time.monotonic() - started < 5
            fcntl.fcntl(held, fcntl.F_SETLEASE, fcntl.F_UNLCK)
    finally:
        signal.signal(signal.SIGIO, before)
    assert caught.value.reason is Reason.UNREADABLE


def test_a_stamp_tells_that_a_file_was_written_to(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_bytes(b"abc")
    with open_file(path) as file:
        before = stamp_of(file)
        assert stamp_of(file) == before
        time.sleep(0.02)
        with path.open("r+b") as other:
            other.write(b"b")
        assert stamp_of(file) != before
