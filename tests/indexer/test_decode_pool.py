"""No file stops, hangs or crashes the pool, and nothing is written to the corpus."""

from __future__ import annotations

import hashlib
import os
import signal
import threading
import time
from collections import Counter
from pathlib import Path

import numpy as np
import psutil
import pytest
from PIL import Image

from indexer.corpus import walk
from indexer.decode import Limits, decode_image
from indexer.decode_pool import DecodePool, Prepared
from indexer.preprocess import prepare
from indexer.types import Preset, Reason
from tests.pictures import corpus, picture
from tests.shared import needs_shared, shared_data

PRESET = Preset(name="squash-32", size=32)


def prepared(root: Path, *, workers: int = 2, **limits: float) -> dict[str, Prepared]:
    with DecodePool(workers=workers, preset=PRESET, limits=Limits(**limits)) as pool:  # type: ignore[arg-type]
        return {one.file.path: one for one in pool.map(walk([root]))}


def test_pixels_and_hashes_are_those_of_the_file(tmp_path: Path) -> None:
    paths = corpus(tmp_path, 7)
    results = prepared(tmp_path)
    assert set(results) == {str(path) for path in paths}
    for path in paths:
        one = results[str(path)]
        image = decode_image(path.read_bytes()).image
        assert one.pixels is not None
        np.testing.assert_array_equal(one.pixels, prepare(image, PRESET))
        assert one.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
        assert (one.width, one.height, one.format) == (48, 40, "PNG")


def test_known_contents_are_hashed_but_not_decoded(tmp_path: Path) -> None:
    paths = corpus(tmp_path, 4)
    known = hashlib.sha256(paths[1].read_bytes()).hexdigest()
    with DecodePool(workers=1, preset=PRESET) as pool:
        results = list(pool.map(walk([tmp_path]), known=lambda sha256: sha256 == known))
    skipped = [one for one in results if one.pixels is None]
    assert [one.sha256 for one in skipped] == [known]
    assert skipped[0].problem is None


def test_the_input_is_read_as_results_are_taken(tmp_path: Path) -> None:
    corpus(tmp_path, 30)
    taken = 0

    def counted() -> object:
        nonlocal taken
        for file in walk([tmp_path]):
            taken += 1
            yield file

    with DecodePool(workers=1, preset=PRESET) as pool:
        results = pool.map(counted(), ahead=5)  # type: ignore[arg-type]
        next(results)
        assert taken <= 6
        assert len(list(results)) == 29


def test_a_caller_who_stops_early_waits_for_nothing(tmp_path: Path) -> None:
    corpus(tmp_path, 30)
    with DecodePool(workers=2, preset=PRESET) as pool:
        results = pool.map(walk([tmp_path]))
        next(results)
        results.close()


def test_a_killed_worker_loses_its_file_only(tmp_path: Path) -> None:
    corpus(tmp_path, 6)
    # Large enough to be found at work.
    Image.effect_noise((6000, 6000), 50).save(tmp_path / "00002x.png", compress_level=1)

    def killer() -> None:
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            for child in psutil.Process().children():
                if child.is_running() and child.cpu_times().user > 0.6:
                    os.kill(child.pid, signal.SIGKILL)
                    return
            time.sleep(0.01)

    thread = threading.Thread(target=killer)
    thread.start()
    results = prepared(tmp_path, workers=1)
    thread.join()
    problems = {Path(path).name: one.problem for path, one in results.items() if one.problem}
    assert set(problems) <= {"00002x.png"}
    for problem in problems.values():
        assert problem.reason is Reason.INTERNAL
    assert sum(one.pixels is not None for one in results.values()) >= 6


def test_a_file_that_takes_too_long_is_given_up(tmp_path: Path) -> None:
    corpus(tmp_path, 3)
    Image.effect_noise((9000, 9000), 50).save(tmp_path / "slow.png", compress_level=1)
    results = prepared(tmp_path, workers=1, seconds=0.5)
    slow = results.pop(str(tmp_path / "slow.png"))
    assert slow.problem is not None
    assert slow.problem.reason is Reason.TIMEOUT
    assert all(one.pixels is not None for one in results.values())


def test_an_error_of_the_caller_s_reaches_the_caller(tmp_path: Path) -> None:
    corpus(tmp_path, 3)

    def broken(sha256: str) -> bool:
        raise ZeroDivisionError

    with DecodePool(workers=1, preset=PRESET) as pool, pytest.raises(ZeroDivisionError):
        list(pool.map(walk([tmp_path]), known=broken))


def test_a_stray_module_in_the_working_folder_is_not_imported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    corpus(tmp_path / "corpus", 2)
    for name in ("indexer.py", "search.py", "PIL.py", "numpy.py"):
        (tmp_path / name).write_text("raise SystemExit('stray')")
    monkeypatch.chdir(tmp_path)
    assert all(one.pixels is not None for one in prepared(tmp_path / "corpus").values())


def listing(root: Path) -> list[tuple[str, int, int]]:
    """Return name, size and time of all that lies below a folder."""
    found = [(path, path.lstat()) for path in sorted(root.rglob("*"))]
    return [(str(path), status.st_size, status.st_mtime_ns) for path, status in found]


@needs_shared
def test_hostile_files_end_as_pictures_or_as_named_failures(tmp_path: Path) -> None:
    root = shared_data / "hostile"
    before = listing(root)
    peak = 0
    started = time.monotonic()
    results = []
    with DecodePool(workers=2, preset=PRESET, limits=Limits(seconds=20)) as pool:
        for one in pool.map(walk([root])):
            results.append(one)
            for child in psutil.Process().children():
                peak = max(peak, child.memory_info().rss)
    assert len(results) == len(before) - sum(path.is_dir() for path in root.rglob("*"))
    for one in results:
        assert (one.pixels is None) == (one.problem is not None), one.file.path
    reasons = Counter(one.problem.reason for one in results if one.problem)
    assert Reason.INTERNAL not in reasons
    assert Reason.TIMEOUT not in reasons
    by_name = {Path(one.file.path).name: one for one in results}
    expected = {
        "decompression_bomb.gif": Reason.TOO_LARGE,
        "readme.txt": Reason.NOT_MEDIA,
        "hopper.spider": Reason.UNSUPPORTED,
        "broken.png": Reason.TRUNCATED,
        "combined_larger_than_size.psd": Reason.UNSUPPORTED,
    }
    for name, reason in expected.items():
        problem = by_name[name].problem
        assert problem is not None, name
        assert problem.reason is reason, (name, problem.message)
    assert peak < 1_500_000_000
    assert time.monotonic() - started < 120
    assert listing(root) == before


@pytest.mark.slow
def test_the_largest_allowed_picture_fits_into_the_memory_allowed(tmp_path: Path) -> None:
    image = Image.new("RGBA", (13377, 13377), (200, 30, 30, 128))
    image.save(tmp_path / "large.png", compress_level=1)
    del image
    peak = 0
    with DecodePool(workers=2, preset=PRESET, limits=Limits(seconds=120)) as pool:
        done = threading.Event()

        def watch() -> None:
            nonlocal peak
            while not done.wait(0.02):
                for child in psutil.Process().children():
                    peak = max(peak, child.memory_info().rss)

        watcher = threading.Thread(target=watch)
        watcher.start()
        (result,) = pool.map(walk([tmp_path]))
        done.set()
        watcher.join()
    assert result.problem is None, result.problem
    assert result.pixels is not None
    np.testing.assert_allclose(result.pixels[16, 16], (227, 142, 142), atol=1)
    assert peak < 1_500_000_000


def test_one_picture_comes_out_the_same_from_any_worker(tmp_path: Path) -> None:
    picture(4, (300, 200)).save(tmp_path / "a.jpg", quality=90)
    first, second = (prepared(tmp_path)[str(tmp_path / "a.jpg")].pixels for _ in range(2))
    assert first is not None
    assert second is not None
    np.testing.assert_array_equal(first, second)
