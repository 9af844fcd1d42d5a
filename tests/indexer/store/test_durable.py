"""Files are replaced whole, whoever else writes or tidies up at the same time."""

from __future__ import annotations

import os
import threading
from pathlib import Path
from typing import BinaryIO

import pytest

from indexer.errors import IndexDamagedError, StoreError
from indexer.store.durable import (
    read_sealed_json,
    replace_file,
    sweep_temporaries,
    write_sealed_json,
)


def test_two_that_write_one_file_do_not_meet(tmp_path: Path) -> None:
    path = tmp_path / "map.npz"

    def slow(file: BinaryIO) -> None:
        file.write(b"first, ")
        replace_file(path, lambda other: other.write(b"second"))
        assert path.read_bytes() == b"second"
        file.write(b"as it was meant")

    replace_file(path, slow)
    assert path.read_bytes() == b"first, as it was meant"
    assert list(tmp_path.iterdir()) == [path]


def test_a_file_that_is_being_written_is_not_swept_away(tmp_path: Path) -> None:
    path = tmp_path / "folder" / "map.npz"
    (tmp_path / "folder").mkdir()
    left = tmp_path / "folder" / "map.npz.0123abcd.tmp"
    left.write_bytes(b"half, by a process that was killed")

    def write(file: BinaryIO) -> None:
        file.write(b"whole")
        thread = threading.Thread(target=sweep_temporaries, args=(tmp_path,))
        thread.start()
        thread.join()

    replace_file(path, write)
    assert path.read_bytes() == b"whole"
    assert not left.exists()


def test_a_name_of_the_longest_kind_can_be_written(tmp_path: Path) -> None:
    path = tmp_path / ("ü" * 120 + ".html")
    replace_file(path, lambda file: file.write(b"report"))
    assert path.read_bytes() == b"report"


def test_only_a_missing_file_or_a_broken_seal_is_damage(tmp_path: Path) -> None:
    path = tmp_path / "card.json"
    with pytest.raises(IndexDamagedError, match="is missing"):
        read_sealed_json(path)
    write_sealed_json(path, {"a": 1})
    assert read_sealed_json(path) == {"a": 1}
    for broken in (b"[1]", b'{"seal": "x"}', b"\xff", b"[" * 100_000, b'{"a": 2, "seal": 3}'):
        path.write_bytes(broken)
        with pytest.raises(IndexDamagedError, match="doctor"):
            read_sealed_json(path)
    path.unlink()
    path.mkdir()
    with pytest.raises(StoreError, match="directory") as raised:
        read_sealed_json(path)
    assert not isinstance(raised.value, IndexDamagedError)


def test_new_files_have_the_permissions_of_any_other(tmp_path: Path) -> None:
    before = os.umask(0o022)
    try:
        replace_file(tmp_path / "report.html", lambda file: file.write(b""))
    finally:
        os.umask(before)
    assert (tmp_path / "report.html").stat().st_mode & 0o777 == 0o644
