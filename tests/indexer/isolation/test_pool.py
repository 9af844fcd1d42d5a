import hashlib
import io
import json
import os
import signal
import subprocess
import sys
import threading
import time
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from indexer.corpus import FoundFile, walk
from indexer.isolation.pool import DecodePool, Prepared
from indexer.keypoints import Keypoints
from indexer.media.files import Limits
from indexer.media.image import decode_image
from indexer.preprocess import prepare
from indexer.types import Preset, Reason
from tests.checkout import ROOT, needs_shared, shared_data
from tests.pictures import corpus, picture

PRESET = Preset(name="tiny", size=32)


def pool(workers: int = 1, **limits: float) -> DecodePool:
    return DecodePool(workers=workers, preset=PRESET, limits=Limits(**limits))


def by_name(results: Iterator[Prepared]) -> dict[str, Prepared]:
    return {os.fsdecode(result.file.raw).rsplit("/", 1)[1]: result for result in results}


def reasons(results: dict[str, Prepared]) -> dict[str, Reason | None]:
    return {name: one.problem and one.problem.reason for name, one in results.items()}


def write_png(path: Path, width: int, height: int, *, colour_type: int, bands: int) -> None:
    """Write a large PNG without ever holding its pixels."""
    row = b"\0" + bytes(range(256)) * (width * bands // 256 + 1)
    packer = zlib.compressobj(1)
    data = b"".join(packer.compress(row[: 1 + width * bands]) for _ in range(height))
    header = width.to_bytes(4, "big") + height.to_bytes(4, "big") + bytes((8, colour_type, 0, 0, 0))
    with path.open("wb") as file:
        file.write(b"\x89PNG\r\n\x1a\n")
        for kind, body in ((b"IHDR", header), (b"IDAT", data + packer.flush()), (b"IEND", b"")):
            file.write(len(body).to_bytes(4, "big") + kind + body)
            file.write(zlib.crc32(kind + body).to_bytes(4, "big"))


def in_a_process(
    *arguments: str | Path, cwd: Path = ROOT, **environment: str
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [
            sys.executable,
            str(ROOT / "tests" / "indexer" / "isolation" / "decode_in_a_process.py"),
            *arguments,
        ],
        capture_output=True,
        text=True,
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
        timeout=240,
    )


# What comes out


@pytest.mark.parametrize("workers", [1, 3])
def test_every_file_comes_out_as_it_would_in_this_process(tmp_path: Path, workers: int) -> None:
    paths = corpus(tmp_path, 40)
    with pool(workers) as decoders:
        results = by_name(decoders.map(walk([tmp_path])))
    assert sorted(results) == [path.name for path in paths]
    for path in paths:
        data, result = path.read_bytes(), results[path.name]
        assert result.problem is None and result.pixels is not None
        assert result.sha256 == hashlib.sha256(data).hexdigest()
        assert (result.width, result.height, result.format) == (48, 40, "PNG")
        expected = prepare(decode_image(data, at_least=32).image, PRESET)
        assert np.array_equal(result.pixels, expected)
        assert result.pixels.flags.writeable


def test_known_contents_are_not_decoded(tmp_path: Path) -> None:
    corpus(tmp_path, 3)
    (tmp_path / "copy.png").write_bytes((tmp_path / "00001.png").read_bytes())
    (tmp_path / "broken.png").write_bytes((tmp_path / "00002.png").read_bytes()[:200])
    known = {hashlib.sha256((tmp_path / "00001.png").read_bytes()).hexdigest()}
    with pool(2) as decoders:
        results = by_name(decoders.map(walk([tmp_path]), known=known.__contains__))
    skipped = [name for name, one in results.items() if one.pixels is None and one.problem is None]
    assert sorted(skipped) == ["00001.png", "copy.png"]
    assert {results[name].sha256 for name in skipped} == known
    assert results["broken.png"].sha256 is not None
    assert reasons(results)["broken.png"] is Reason.TRUNCATED


def test_problems_of_the_walk_and_of_the_decoder(tmp_path: Path) -> None:
    corpus(tmp_path, 1)
    (tmp_path / "empty.jpg").touch()
    (tmp_path / "note.txt").write_text("no picture")
    (tmp_path / "link.jpg").symlink_to("nowhere")
    (tmp_path / "large.png").write_bytes(bytes(60_000))
    (tmp_path / "folder.jpg").mkdir()
    os.mkfifo(tmp_path / "pipe.jpg")
    with open(os.fsencode(tmp_path) + b"/n\xff.png", "wb") as file:  # noqa: PTH123
        picture(1).save(file, "PNG")
    with pool(bytes=50_000) as decoders:
        results = by_name(decoders.map(walk([tmp_path])))
    assert reasons(results) == {
        "00000.png": None,
        "empty.jpg": Reason.EMPTY,
        "note.txt": Reason.NOT_MEDIA,
        "link.jpg": Reason.UNREADABLE,
        "large.png": Reason.TOO_LARGE,
        "folder.jpg": Reason.NOT_MEDIA,
        "pipe.jpg": Reason.NOT_MEDIA,
        "n\udcff.png": None,
    }


@pytest.mark.timeout(30)
def test_a_file_that_becomes_a_pipe_after_the_walk_does_not_block(tmp_path: Path) -> None:
    corpus(tmp_path, 1)
    found = list(walk([tmp_path]))
    (tmp_path / "00000.png").unlink()
    os.mkfifo(tmp_path / "00000.png")
    with pool() as decoders:
        assert reasons(by_name(decoders.map(found))) == {"00000.png": Reason.NOT_MEDIA}


def test_a_jpeg_cut_at_every_tenth_is_truncated(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    picture(1, (300, 200)).save(buffer, "JPEG")
    data = buffer.getvalue()
    for tenth in range(11):
        (tmp_path / f"{tenth:02d}.jpg").write_bytes(data[: len(data) * tenth // 10])
    with pool() as decoders:
        got = reasons(by_name(decoders.map(walk([tmp_path]))))
    assert got.pop("00.jpg") is Reason.EMPTY
    assert got.pop("10.jpg") is None
    assert set(got.values()) == {Reason.TRUNCATED}


# What happens to the processes


def test_a_killed_decoder_loses_one_file(tmp_path: Path) -> None:
    paths = corpus(tmp_path, 12)
    fatal = {hashlib.sha256(paths[n].read_bytes()).hexdigest() for n in (0, 5, 6, 11)}
    with pool() as decoders:

        def known(sha256: str) -> bool:
            if sha256 in fatal:
                os.kill(decoders.pids[0], signal.SIGKILL)
            return False

        results = by_name(decoders.map(walk([tmp_path]), known=known))
    lost = [name for name, one in results.items() if one.problem is not None]
    assert sorted(lost) == [paths[n].name for n in (0, 5, 6, 11)]
    for name in lost:
        problem = results[name].problem
        assert problem is not None and problem.reason is Reason.INTERNAL
        assert "signal 9" in problem.message
    assert all(one.pixels is not None for name, one in results.items() if name not in lost)


def test_a_decoder_does_not_listen_to_ctrl_c(tmp_path: Path) -> None:
    corpus(tmp_path, 3)
    with pool() as decoders:

        def known(sha256: str) -> bool:
            os.kill(decoders.pids[0], signal.SIGINT)
            return False

        results = by_name(decoders.map(walk([tmp_path]), known=known))
    assert set(reasons(results).values()) == {None}


@pytest.mark.slow
def test_a_slow_picture_ends_in_a_timeout_and_the_rest_goes_on(tmp_path: Path) -> None:
    corpus(tmp_path, 4)
    write_png(tmp_path / "00001-slow.png", 13_000, 13_000, colour_type=2, bands=3)
    with pool(seconds=0.5) as decoders:
        results = by_name(decoders.map(walk([tmp_path])))
    slow = results.pop("00001-slow.png").problem
    assert slow is not None and slow.reason is Reason.TIMEOUT
    assert "0.5 seconds" in slow.message
    assert set(reasons(results).values()) == {None}


def test_a_stopped_decoder_ends_in_a_timeout(tmp_path: Path) -> None:
    paths = corpus(tmp_path, 3)
    stopped = hashlib.sha256(paths[1].read_bytes()).hexdigest()
    with pool(seconds=2.0) as decoders:

        def known(sha256: str) -> bool:
            if sha256 == stopped:
                os.kill(decoders.pids[0], signal.SIGSTOP)
            return False

        results = by_name(decoders.map(walk([tmp_path]), known=known))
    assert reasons(results) == {
        "00000.png": None,
        "00001.png": Reason.TIMEOUT,
        "00002.png": None,
    }


def test_decoders_end_with_the_process_that_started_them(tmp_path: Path) -> None:
    corpus(tmp_path, 30)
    ended = in_a_process("2", tmp_path, DIE_EARLY="yes")
    assert ended.returncode == -signal.SIGKILL
    pids = json.loads(ended.stdout)
    assert pids
    deadline = time.monotonic() + 20
    while any(is_running(pid) for pid in pids) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not any(is_running(pid) for pid in pids)


def is_running(pid: int) -> bool:
    try:
        status = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    return status.rsplit(")", 1)[1].split()[0] != "Z"


def test_scripts_without_a_guard_and_stray_modules_do_no_harm(tmp_path: Path) -> None:
    folder = tmp_path / "here"
    folder.mkdir()
    for name in ("search", "indexer", "numpy", "PIL", "socket"):
        (folder / f"{name}.py").write_text("raise SystemExit('a stray module was imported')")
    corpus(tmp_path / "pictures", 2)
    ended = in_a_process("1", tmp_path / "pictures", cwd=folder)
    assert ended.returncode == 0, ended.stderr
    assert list(json.loads(ended.stdout)["outcomes"].values()) == [[48, 40], [48, 40]]


# How it is driven


def test_files_are_taken_as_they_are_needed_from_one_thread(tmp_path: Path) -> None:
    corpus(tmp_path, 60)
    taken: list[int] = []

    def files() -> Iterator[FoundFile]:
        for file in walk([tmp_path]):
            taken.append(threading.get_ident())
            yield file

    with pool(2) as decoders:
        for done, _ in enumerate(decoders.map(files(), ahead=5), start=1):
            assert len(taken) <= done + 5
    assert len(taken) == 60
    assert set(taken) == {threading.get_ident()}


def test_a_pool_serves_again_after_one_pass(tmp_path: Path) -> None:
    corpus(tmp_path, 5)
    with pool(2) as decoders:
        list(decoders.map(walk([tmp_path])))
        before = decoders.pids
        results = by_name(decoders.map(walk([tmp_path])))
        assert decoders.pids == before
    assert all(one.pixels is not None for one in results.values())
    assert decoders.pids == []


@pytest.mark.timeout(60)
def test_a_pass_stopped_early_ends_at_once_and_the_pool_serves_again(tmp_path: Path) -> None:
    corpus(tmp_path, 5)
    write_png(tmp_path / "00000-slow.png", 13_000, 13_000, colour_type=2, bands=3)
    with pool(2) as decoders:
        stream = decoders.map(walk([tmp_path]))
        next(stream)
        started = time.monotonic()
        stream.close()
        assert time.monotonic() - started < 5
        small = (file for file in walk([tmp_path]) if file.size < 50_000)
        assert all(one.pixels is not None for one in decoders.map(small))


def test_an_error_of_the_caller_is_raised_and_the_pool_serves_again(tmp_path: Path) -> None:
    corpus(tmp_path, 5)

    def known(sha256: str) -> bool:
        raise ZeroDivisionError("mine")

    with pool(2) as decoders:
        with pytest.raises(ZeroDivisionError, match="mine"):
            list(decoders.map(walk([tmp_path]), known=known))
        assert all(one.pixels is not None for one in decoders.map(walk([tmp_path])))


def test_a_pool_needs_a_worker() -> None:
    with pytest.raises(ValueError, match="at least one"):
        pool(0)


# Hostile files and memory


HOSTILE = {
    "DecompressionBombError/badwidth.bmp": "too_large",
    "DecompressionBombError/decompression_bomb.gif": "too_large",
    "DecompressionBombError/reallybig.bmp": "too_large",
    "DecompressionBombError/decompression_bomb.ico": "unsupported",
    "NotImplementedError/unimplemented_dxgi_format.dds": "unsupported",
    "OSError/crash-0c7e0e8e11ce787078f00b5b0ca409a167f070e0.tif": "truncated",
    "OSError/badbitcount.bmp": "unsupported",
    "OSError/hopper_webp.tif": [128, 128],
    "OSError/shortfile.bmp": "truncated",
    "SyntaxError/chunk_no_fctl.png": "unsupported",
    "UnidentifiedImageError/README.txt": "not_media",
    "UnidentifiedImageError/broken.png": "unsupported",
    "UnidentifiedImageError/libtiff_segfault.tif": "unsupported",
    "UnidentifiedImageError/test.gpl": "not_media",
    "ValueError/png_decompression_dos.png": "too_large",
    "ValueError/psd-oob-write-overflow.psd": [10, 10],
    "mode_LAB/hopper.Lab.tif": [128, 128],
    "mode_I16/issue_6194.j2k": [8, 8],
    "mode_P/multipage_single_frame_loop.tiff": [10, 10],
    "mode_PA/rdf.tif": [518, 556],
    "multiframe/no_palette.gif": [1, 1],
}


def listing(folder: Path) -> dict[Path, tuple[int, int, int]]:
    return {
        path: (status.st_size, status.st_mtime_ns, status.st_ino)
        for path in sorted(folder.rglob("*"))
        if (status := path.lstat())
    }


@needs_shared
def test_no_hostile_file_stops_the_rest_or_takes_the_memory() -> None:
    folder = shared_data / "hostile"
    before = listing(folder)
    ended = in_a_process("2", folder)
    assert ended.returncode == 0, ended.stderr
    assert ended.stderr == ""
    result = json.loads(ended.stdout)
    files = {path for path in before if path.is_file()}
    assert {Path(path) for path in result["outcomes"]} == files
    got = {str(Path(path).relative_to(folder)): one for path, one in result["outcomes"].items()}
    assert {name: got[name] for name in HOSTILE} == HOSTILE
    assert not [name for name, one in got.items() if one in ("internal", "timeout")]
    readable = ("PNG", "GIF", "JPEG", "BMP")
    for name, one in got.items():
        if name.startswith(("mode_", "orientation", "multiframe")) and is_format(name, readable):
            assert isinstance(one, list), (name, one)
    assert result["peak"] < 1.5e9
    assert listing(folder) == before


def is_format(name: str, formats: tuple[str, ...]) -> bool:
    return name.rsplit(".", 1)[-1].upper().replace("JPG", "JPEG") in formats


@pytest.mark.slow
def test_a_bomb_within_the_limit_fits_into_memory_or_is_too_large(tmp_path: Path) -> None:
    write_png(tmp_path / "thin.png", 15_000_000, 3, colour_type=6, bands=4)
    picture(1).save(tmp_path / "x.png")
    result = json.loads(in_a_process("2", tmp_path).stdout)
    outcomes = {Path(path).name: one for path, one in result["outcomes"].items()}
    assert outcomes == {"thin.png": [15_000_000, 3], "x.png": [48, 40]}
    assert result["peak"] < 1.5e9


@pytest.mark.slow
def test_the_largest_picture_needs_less_than_a_gigabyte(tmp_path: Path) -> None:
    write_png(tmp_path / "a.png", 13_370, 13_384, colour_type=6, bands=4)
    write_png(tmp_path / "b.png", 13_384, 13_370, colour_type=6, bands=4)
    result = json.loads(in_a_process("2", tmp_path).stdout)
    assert sorted(result["outcomes"].values()) == [[13_370, 13_384], [13_384, 13_370]]
    assert result["peak"] < 1e9


@needs_shared
def test_photographs_of_a_phone_and_all_modes_are_read() -> None:
    folders = [shared_data / "near_dup" / name for name in ("exif", "modes", "dihedral")]
    result = json.loads(in_a_process("2", *folders).stdout)
    failed = {Path(path).name: one for path, one in result["outcomes"].items() if one == str(one)}
    assert set(failed.values()) <= {"not_media"}
    assert all(name.endswith((".md", ".txt")) or "LICENSE" in name for name in failed)


def test_keypoints_are_left_out_where_nobody_asks_for_them(tmp_path: Path) -> None:
    picture(seed=3, size=(320, 240)).save(tmp_path / "a.png")
    rows = []
    for keypoints in (True, False):
        with DecodePool(workers=1, preset=PRESET, keypoints=keypoints) as opened:
            (found,) = opened.map(walk([tmp_path]))
        assert found.keypoints is not None
        rows.append(len(Keypoints.from_row(found.keypoints)))
    assert rows[0] > 0
    assert rows[1] == 0
