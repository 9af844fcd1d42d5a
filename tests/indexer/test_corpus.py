import os
import socket
import stat
from pathlib import Path

import pytest

from indexer.corpus import FoundFile, as_text, folder_label, walk
from indexer.errors import UsageError
from indexer.types import Reason


def names(found: list[FoundFile], root: Path) -> list[str]:
    return [os.path.relpath(os.fsdecode(file.raw), root) for file in found]


def problems(found: list[FoundFile], root: Path) -> dict[str, Reason]:
    return {
        name: file.problem.reason
        for name, file in zip(names(found, root), found, strict=True)
        if file.problem is not None
    }


def put(path: Path, data: bytes = b"x") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


def test_files_come_depth_first_and_by_name_whatever_they_are_called(tmp_path: Path) -> None:
    for name in ("b/2.jpg", "b/1.txt", "a.png", "c", ".hidden/.secret", "Z/z.bin", "b/deep/x.gif"):
        put(tmp_path / name)
    assert names(list(walk([tmp_path])), tmp_path) == [
        ".hidden/.secret",
        "Z/z.bin",
        "a.png",
        "b/1.txt",
        "b/2.jpg",
        "b/deep/x.gif",
        "c",
    ]


def test_a_file_is_described_as_the_system_describes_it(tmp_path: Path) -> None:
    path = put(tmp_path / "ä b.jpg", b"12345")
    os.utime(path, ns=(1, 1_700_000_000_123_456_789))
    (found,) = walk([tmp_path])
    assert found == FoundFile(
        raw=os.fsencode(path),
        path=str(path),
        size=5,
        mtime_ns=1_700_000_000_123_456_789,
        device=path.stat().st_dev,
        inode=path.stat().st_ino,
    )


def test_the_walk_streams(tmp_path: Path) -> None:
    for number in range(3):
        put(tmp_path / f"{number}" / "x.jpg")
    stream = walk([tmp_path])
    next(stream)
    (tmp_path / "2" / "x.jpg").unlink()
    assert names(list(stream), tmp_path) == ["1/x.jpg"]


def test_a_name_that_is_no_utf8_is_shown_escaped_and_kept_whole(tmp_path: Path) -> None:
    raw = os.fsencode(tmp_path) + b"/caf\xe9-\xff.jpg"
    with open(raw, "wb") as file:  # noqa: PTH123  pathlib has no way with bytes
        file.write(b"x")
    (found,) = walk([tmp_path])
    assert found.raw == raw
    assert found.path == f"{tmp_path}/caf\\xe9-\\xff.jpg"
    found.path.encode("utf-8")


def test_what_is_no_file_is_named_and_never_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.jpg")
    (tmp_path / "broken.jpg").symlink_to("nowhere.jpg")
    (tmp_path / "loop-a").symlink_to("loop-b")
    (tmp_path / "loop-b").symlink_to("loop-a")
    put(tmp_path / "shots.JPG" / "inside.png")
    (tmp_path / "null.png").symlink_to("/dev/null")
    server = socket.socket(socket.AF_UNIX)
    here = Path.cwd()
    os.chdir(tmp_path)  # a socket's path may be no longer than 107 bytes
    try:
        server.bind("talk.jpg")
    finally:
        os.chdir(here)
        server.close()
    found = list(walk([tmp_path]))
    assert problems(found, tmp_path) == {
        "broken.jpg": Reason.UNREADABLE,
        "loop-a": Reason.UNREADABLE,
        "loop-b": Reason.UNREADABLE,
        "null.png": Reason.NOT_MEDIA,
        "pipe.jpg": Reason.NOT_MEDIA,
        "shots.JPG": Reason.NOT_MEDIA,
        "talk.jpg": Reason.NOT_MEDIA,
    }
    assert names([file for file in found if file.problem is None], tmp_path) == [
        "shots.JPG/inside.png"
    ]
    broken = next(file for file in found if file.raw.endswith(b"broken.jpg"))
    assert broken.problem is not None and "nowhere.jpg" in broken.problem.message


@pytest.mark.skipif(os.geteuid() == 0, reason="nothing is unreadable to root")
def test_a_folder_that_may_not_be_listed_is_a_problem(tmp_path: Path) -> None:
    locked = tmp_path / "locked"
    put(locked / "x.jpg")
    locked.chmod(0)
    try:
        found = list(walk([tmp_path]))
    finally:
        locked.chmod(stat.S_IRWXU)
    assert problems(found, tmp_path) == {"locked": Reason.UNREADABLE}


def test_links_are_followed_and_circles_are_broken(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    put(elsewhere / "real.jpg")
    root = tmp_path / "root"
    put(root / "a" / "x.jpg")
    (root / "file.jpg").symlink_to(elsewhere / "real.jpg")
    (root / "folder").symlink_to(elsewhere)
    (root / "a" / "up").symlink_to(root)
    found = list(walk([root]))
    assert names([file for file in found if file.problem is None], root) == [
        "a/x.jpg",
        "file.jpg",
        "folder/real.jpg",
    ]
    assert problems(found, root) == {"a/up": Reason.UNREADABLE}


def test_two_folders_that_link_to_each_other_end(tmp_path: Path) -> None:
    for one, other in (("a", "b"), ("b", "a")):
        put(tmp_path / one / "x.jpg")
        (tmp_path / one / "other").symlink_to(tmp_path / other)
    found = list(walk([tmp_path]))
    assert problems(found, tmp_path) == {
        "a/other/other": Reason.UNREADABLE,
        "b/other/other": Reason.UNREADABLE,
    }


def test_folders_nested_deeper_than_pythons_calls(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    depth = 1200
    monkeypatch.chdir(tmp_path)
    for _ in range(depth):
        Path("d").mkdir()
        os.chdir("d")
    Path("x.jpg").write_bytes(b"x")
    (found,) = walk([tmp_path])
    Path("x.jpg").unlink()
    for _ in range(depth):  # what cleans up after tests is recursive
        os.chdir("..")
        Path("d").rmdir()
    assert found.problem is None and found.raw.endswith(b"/d/d/x.jpg")


def test_roots_given_twice_or_nested_yield_each_file_once(tmp_path: Path) -> None:
    put(tmp_path / "a" / "b" / "x.jpg")
    put(tmp_path / "ab" / "y.jpg")
    roots = [
        tmp_path / "a",
        tmp_path / "a" / "b",
        tmp_path / "a" / "b" / "x.jpg",
        tmp_path / "a" / ".." / "a",
        tmp_path / "ab",
    ]
    assert names(list(walk(roots)), tmp_path) == ["a/b/x.jpg", "ab/y.jpg"]


def test_paths_are_absolute_with_links_left_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(tmp_path / "real" / "x.jpg")
    (tmp_path / "link").symlink_to("real")
    monkeypatch.chdir(tmp_path)
    (found,) = walk([Path("link")])
    assert found.raw == os.fsencode(tmp_path / "link" / "x.jpg")


def test_a_root_that_is_not_there_is_wrong_usage(tmp_path: Path) -> None:
    put(tmp_path / "x.jpg")
    with pytest.raises(UsageError, match="missing"):
        list(walk([tmp_path, tmp_path / "missing"]))


def test_indexes_are_not_entered_by_any_name(tmp_path: Path) -> None:
    put(tmp_path / "x.jpg")
    put(tmp_path / "index" / "thumbnail.jpg")
    put(tmp_path / "other" / "catalog.duckdb")
    put(tmp_path / "other" / "spaces" / "spec.json")
    put(tmp_path / "almost" / "catalog.duckdb")
    (tmp_path / "alias").symlink_to("index")
    found = walk([tmp_path], exclude=[tmp_path / "index", tmp_path / "not there"])
    assert names(list(found), tmp_path) == ["almost/catalog.duckdb", "x.jpg"]


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/c/real/x.jpg", ("real", None)),
        ("/c/Originals/deep/er/x.jpg", ("real", None)),
        ("/c/fake/x.jpg", ("fake", None)),
        ("/c/FAKE/stylegan2/x.jpg", ("fake", "stylegan2")),
        ("/c/deepfakes/SD1.5/seeds/x.jpg", ("fake", "SD1.5")),
        ("/c/fake/real/x.jpg", ("real", None)),
        ("/c/real/tampered/x.jpg", ("fake", None)),
        ("/c/unreal/fakery/x.jpg", None),
        ("/c/photos/fake", None),
        ("real.jpg", None),
    ],
)
def test_folder_labels(path: str, expected: tuple[str, str | None] | None) -> None:
    assert folder_label(path) == expected


def test_text_of_a_path_is_itself_where_it_is_utf8() -> None:
    assert as_text("/a/日本 é.jpg".encode()) == "/a/日本 é.jpg"
    assert as_text(b"/a/\xe9") == "/a/\\xe9"
