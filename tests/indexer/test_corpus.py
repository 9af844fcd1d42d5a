"""The walk meets everything there is, once, in order, and names what it cannot read."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from indexer.corpus import FoundFile, folder_label, walk
from indexer.errors import UsageError
from indexer.types import Reason


def found(*roots: Path, exclude: list[Path] | None = None) -> dict[str, FoundFile]:
    files = list(walk(roots, exclude=exclude or []))
    assert len({file.raw for file in files}) == len(files)
    return {file.path: file for file in files}


def test_every_file_is_found_in_order(tmp_path: Path) -> None:
    for name in ("b/2.jpg", "b/10.jpg", "a.txt", "b/c/x.png", ".hidden", "empty"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"x" * len(name))
    (tmp_path / "no files here").mkdir()
    files = found(tmp_path)
    names = [str(Path(path).relative_to(tmp_path)) for path in files]
    assert names == [".hidden", "a.txt", "b/10.jpg", "b/2.jpg", "b/c/x.png", "empty"]
    for name, file in zip(names, files.values(), strict=True):
        assert file.raw == os.fsencode(tmp_path / name)
        assert file.size == len(name)
        assert file.mtime_ns == (tmp_path / name).stat().st_mtime_ns
        assert file.problem is None


def test_what_is_no_file_has_a_reason(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.jpg")
    (tmp_path / "broken.jpg").symlink_to("nowhere")
    (tmp_path / "loop1").symlink_to("loop2")
    (tmp_path / "loop2").symlink_to("loop1")
    (tmp_path / "x.jpg").mkdir()
    (tmp_path / "x.jpg" / "inside.png").write_bytes(b"x")
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "up").symlink_to("..")
    with socket.socket(socket.AF_UNIX) as listener:
        # A socket's path has a length limit that pytest's folders exceed.
        before = Path.cwd()
        os.chdir(tmp_path)
        try:
            listener.bind("socket")
        finally:
            os.chdir(before)
        files = found(tmp_path)
    problems = {
        str(Path(path).relative_to(tmp_path)): file.problem.reason if file.problem else None
        for path, file in files.items()
    }
    assert problems == {
        "broken.jpg": Reason.UNREADABLE,
        "loop1": Reason.UNREADABLE,
        "loop2": Reason.UNREADABLE,
        "pipe.jpg": Reason.NOT_MEDIA,
        "socket": Reason.NOT_MEDIA,
        "sub/up": Reason.UNREADABLE,
        "x.jpg": Reason.NOT_MEDIA,
        "x.jpg/inside.png": None,
    }


def test_links_to_files_and_folders_are_followed(tmp_path: Path) -> None:
    (tmp_path / "corpus").mkdir()
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "x.png").write_bytes(b"x")
    (tmp_path / "corpus" / "folder").symlink_to(tmp_path / "other")
    (tmp_path / "corpus" / "file.png").symlink_to(tmp_path / "other" / "x.png")
    assert [Path(path).name for path in found(tmp_path / "corpus")] == ["file.png", "x.png"]


def test_names_that_are_no_utf8(tmp_path: Path) -> None:
    raw = os.fsencode(tmp_path) + b"/caf\xe9.png"
    Path(os.fsdecode(raw)).write_bytes(b"x")
    (file,) = found(tmp_path).values()
    assert file.raw == raw
    assert file.path.endswith("caf\\xe9.png")
    file.path.encode()


def test_roots_given_twice_or_inside_each_other_count_once(tmp_path: Path) -> None:
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "a" / "b" / "x.png").write_bytes(b"x")
    (tmp_path / "ab").mkdir()
    (tmp_path / "ab" / "y.png").write_bytes(b"y")
    single = tmp_path / "a" / "b" / "x.png"
    files = found(tmp_path / "a", tmp_path / "a" / "b", single, tmp_path / "a", tmp_path / "ab")
    assert [Path(path).name for path in files] == ["x.png", "y.png"]


def test_a_missing_root_is_an_error_before_anything_is_yielded(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"x")
    with pytest.raises(UsageError, match="nowhere"):
        next(walk([tmp_path, tmp_path / "nowhere"]))


def test_indexes_are_not_entered(tmp_path: Path) -> None:
    (tmp_path / "mine" / "spaces").mkdir(parents=True)
    (tmp_path / "theirs" / "spaces").mkdir(parents=True)
    (tmp_path / "theirs" / "catalog.duckdb").write_bytes(b"x")
    (tmp_path / "mine" / "new").write_bytes(b"x")
    (tmp_path / "x.png").write_bytes(b"x")
    files = found(tmp_path, exclude=[tmp_path / "mine"])
    assert [Path(path).name for path in files] == ["x.png"]


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/c/real/x.jpg", ("real", None)),
        ("/c/Authentic/2024/x.jpg", ("real", None)),
        ("/c/fake/x.jpg", ("fake", None)),
        ("/c/fake/stylegan2/x.jpg", ("fake", "stylegan2")),
        ("/c/FAKE/sd1.5/batch3/x.jpg", ("fake", "sd1.5")),
        ("/real/corpus/fake/x.jpg", ("fake", None)),
        ("/fake/corpus/real/x.jpg", ("real", None)),
        ("/c/photos/fake.jpg", None),
        ("/c/fakery/x.jpg", None),
    ],
)
def test_labels_from_folder_names(path: str, expected: tuple[str, str | None] | None) -> None:
    assert folder_label(path) == expected
