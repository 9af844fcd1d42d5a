from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from indexer.errors import MediaError
from indexer.files import Limits, read_file, read_unchanged
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


def test_bytes_are_given_only_while_they_are_the_same(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_bytes(b"abc")
    named = hashlib.sha256(b"abc").hexdigest()
    assert read_unchanged(path, named) == b"abc"
    path.write_bytes(b"abd")
    assert read_unchanged(path, named) is None
