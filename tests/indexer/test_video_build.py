"""Videos in a build: whole or not at all, whatever the file; limits and memory hold."""

from __future__ import annotations

import random
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import av
import numpy as np
import pytest

from indexer.build import BuildOptions, BuildReport, build
from indexer.media.files import Limits
from indexer.media.videos.frames import Sampling
from indexer.store.maintenance.examination import examine
from indexer.store.reader import IndexReader
from indexer.store.writer import IndexWriter
from indexer.types import Kind
from tests.checkout import ROOT
from tests.fake_encoder import MeanColour
from tests.indexer.media.videos.test_frames import B_FRAMES
from tests.indexer.test_kill import start
from tests.videos import SIZE, clip, steady

OPTIONS = BuildOptions(workers=1, batch_size=4, loaded_from="mean-colour")
FASTSTART = {"movflags": "faststart"}


def run(
    index: Path, root: Path, encoder: MeanColour | None = None, **changes: object
) -> BuildReport:
    options = BuildOptions(**{**vars(OPTIONS), **changes})  # type: ignore[arg-type]
    with IndexWriter(index) as writer:
        return build(writer, encoder or MeanColour(), [root], options)


def outcomes(index: Path) -> dict[str, str]:
    """Return what became of each file: how many frames, or the reason."""
    with IndexReader(index) as reader:
        failures = {Path(one.path).name: one.reason for one in reader.catalog.failures()}
        rows = reader.catalog.query(
            "SELECT p.path, count(s.id) FROM paths p JOIN samples s ON s.sha256 = p.sha256 "
            "WHERE p.state = 'indexed' GROUP BY p.path"
        )
    return {Path(path).name: str(count) for path, count in rows} | failures


def patch(number: int) -> np.ndarray:
    """Return a frame of a colour that every frame has for itself."""
    rng = np.random.default_rng(number)
    frame = np.zeros((SIZE[1], SIZE[0], 3), np.uint8)
    frame[:48, :96], frame[48:, :96] = rng.integers(0, 256, 3), rng.integers(0, 256, 3)
    frame[:48, 96:], frame[48:, 96:] = rng.integers(0, 256, 3), rng.integers(0, 256, 3)
    return frame


def colourful(path: Path, count: int = 100, seed: int = 0) -> Path:
    """Write a clip whose scenes of four frames each differ."""
    return clip(
        path, steady(count), options=B_FRAMES, draw=lambda number: patch(1000 * seed + number // 4)
    )


def test_frames_are_samples_with_their_times(tmp_path: Path) -> None:
    root = tmp_path / "corpus"
    root.mkdir()
    colourful(root / "a.mp4", seed=1)
    shutil.copy(root / "a.mp4", root / "b.mp4")
    encoder = MeanColour()
    report = run(tmp_path / "index", root, encoder)
    assert (report.seen, report.embedded, report.linked, report.failed) == (2, 1, 1, 0)
    with IndexReader(tmp_path / "index") as reader:
        assert reader.catalog.sample_counts() == {"image": 0, "frame": 12, "face": 0}
        found = reader.space().embeddings()
        samples = reader.catalog.samples(found.ids.tolist())
        rows = reader.catalog.frames([samples[0].sha256])
    middles = [4 * (part + 0.5) / 12 for part in range(12)]
    assert [one.time_s for one in samples] == [int(middle * 25) / 25 for middle in middles]
    assert {one.kind for one in samples} == {Kind.FRAME}
    assert {(one.width, one.height) for one in samples} == {SIZE}
    assert rows[0].span.from_s == 0
    assert rows[-1].span.until_s == pytest.approx(4.0)
    for sample, vector in zip(samples, found.vectors, strict=True):
        assert sample.time_s is not None
        drawn = patch(1000 + round(sample.time_s * 25) // 4)[::48, ::96] / 255 - 0.5
        ours = drawn.reshape(12) / np.linalg.norm(drawn)
        assert float(ours @ vector) > 0.97  # chroma is coarse, and the codec loses a little
    again = MeanColour()
    assert run(tmp_path / "index", root, again).unchanged == 2
    assert again.pictures == 0


def test_still_frames_are_kept_once_and_stand_for_all(tmp_path: Path) -> None:
    (tmp_path / "corpus").mkdir()
    clip(tmp_path / "corpus" / "a.mp4", steady(100), options=B_FRAMES,
         draw=lambda number: patch(number // 50))  # fmt: skip
    run(tmp_path / "index", tmp_path / "corpus")
    with IndexReader(tmp_path / "index") as reader:
        sha256 = reader.catalog.samples(reader.space().ids().tolist())[0].sha256
        spans = [row.span for row in reader.catalog.frames([sha256])]
    assert [(one.from_s, one.until_s) for one in spans] == [
        (0.0, pytest.approx(2.0)),
        (pytest.approx(2.0), pytest.approx(4.0)),
    ]


def sound_only(path: Path) -> Path:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=44100)
        for place in range(20):
            frame = av.AudioFrame.from_ndarray(
                np.zeros((1, 1024), np.float32), format="fltp", layout="mono"
            )
            frame.sample_rate, frame.pts = 44100, 1024 * place
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def encrypted(path: Path) -> Path:
    return clip(path, steady(50), options=B_FRAMES, container_options={
        "encryption_scheme": "cenc-aes-ctr",
        "encryption_key": "76a6c65c5ea762046bd749a2e632ccbb",
        "encryption_kid": "a7e61c373e219033c21091fa607bf3b8",
    })  # fmt: skip


def test_odd_and_broken_videos_are_indexed_or_listed_with_their_reason(tmp_path: Path) -> None:
    root = tmp_path / "corpus"
    root.mkdir()
    whole = colourful(root / "whole.mp4")
    (root / "empty.mp4").write_bytes(b"")
    (root / "noise.mp4").write_bytes(np.random.default_rng(0).bytes(50_000))
    (root / "header.mp4").write_bytes(whole.read_bytes()[:40])
    (root / "late-noise.mp4").write_bytes(
        whole.read_bytes()[:32] + np.random.default_rng(1).bytes(20_000)
    )
    sound_only(root / "sound.m4a")
    encrypted(root / "encrypted.mp4")
    clip(root / "deep.mkv", steady(30), codec="ffv1", pixels="gbrp16le",
         draw=lambda number: patch(number))  # fmt: skip
    clip(root / "grey.mkv", steady(30), codec="ffv1", pixels="gray16le",
         draw=lambda number: patch(number))  # fmt: skip
    clip(root / "ten.mp4", steady(30), pixels="yuv420p10le", options={"preset": "ultrafast"},
         draw=lambda number: patch(number))  # fmt: skip
    clip(root / "odd.mkv", steady(30), codec="ffv1", pixels="yuv444p", size=(191, 95),
         draw=lambda number: patch(number)[:95, :191])  # fmt: skip
    clip(root / "one.mp4", [0.0], options=B_FRAMES)
    started = time.monotonic()
    run(tmp_path / "index", root, limits=Limits(seconds=60))
    assert time.monotonic() - started < 240
    found = outcomes(tmp_path / "index")
    assert found == {
        "whole.mp4": "12",
        "empty.mp4": "empty",
        "noise.mp4": "not_media",
        "header.mp4": "truncated",
        "late-noise.mp4": "truncated",
        "sound.m4a": "unsupported",
        "encrypted.mp4": "unsupported",
        "deep.mkv": "12",
        "grey.mkv": "12",
        "ten.mp4": "12",
        "odd.mkv": "12",
        "one.mp4": "1",
    }


@pytest.mark.parametrize("container_options", [FASTSTART, {}], ids=["index-first", "index-last"])
def test_videos_cut_at_every_tenth(tmp_path: Path, container_options: dict[str, str]) -> None:
    root = tmp_path / "corpus"
    root.mkdir()
    path = clip(tmp_path / "whole.mp4", steady(100), options={**B_FRAMES, "g": "10"},
                draw=lambda number: patch(number // 2),
                container_options=container_options)  # fmt: skip
    whole = path.read_bytes()
    for tenth in range(1, 11):
        (root / f"{tenth:02d}.mp4").write_bytes(whole[: len(whole) * tenth // 10])
    run(tmp_path / "index", root)
    found = outcomes(tmp_path / "index")
    assert found["10.mp4"] == "12"
    if not container_options:
        assert set(found.values()) == {"12", "truncated"}
        assert Counter(found.values())["truncated"] == 9
        return
    with IndexReader(tmp_path / "index") as reader:
        rows = reader.catalog.query(
            "SELECT p.path, max(s.until_s) FROM paths p JOIN samples s ON s.sha256 = p.sha256 "
            "GROUP BY p.path ORDER BY p.path"
        )
    assert len(rows) >= 7
    for cut, length in rows:  # what is there is indexed, and no more is claimed
        assert length == pytest.approx(whole_until(path, Path(cut).stat().st_size), abs=0.17)


def whole_until(path: Path, size: int) -> float:
    """Return until when packets of a file lie whole within its first ``size`` bytes."""
    with av.open(str(path)) as container:
        packets = [one for one in container.demux(video=0) if one.size]
        ends = [
            float((one.pts + one.duration) * one.time_base)
            for one in packets
            if one.pos + one.size <= size
        ]
    return max(ends)


def test_flipped_bytes_neither_hang_nor_crash(tmp_path: Path) -> None:
    root = tmp_path / "corpus"
    root.mkdir()
    whole = colourful(tmp_path / "whole.mp4").read_bytes()
    rng = random.Random(3)
    for number in range(25):
        data = bytearray(whole)
        for _ in range(1 + 2 * number):
            data[rng.randrange(32, len(data))] = rng.randrange(256)
        (root / f"{number:02d}.mp4").write_bytes(data)
    run(tmp_path / "index", root, limits=Limits(seconds=60))
    found = outcomes(tmp_path / "index")
    assert len(found) == 25
    reasons = {value for value in found.values() if not value.isdigit()}
    assert reasons <= {"truncated", "unsupported", "too_large"}


def test_a_video_beyond_its_limits_is_listed(tmp_path: Path) -> None:
    root = tmp_path / "corpus"
    root.mkdir()
    colourful(root / "a.mp4")
    run(tmp_path / "pixels", root, limits=Limits(pixels=100))
    assert outcomes(tmp_path / "pixels") == {"a.mp4": "too_large"}
    run(tmp_path / "bytes", root, limits=Limits(video_bytes=100))
    assert outcomes(tmp_path / "bytes") == {"a.mp4": "too_large"}
    run(tmp_path / "time", root, limits=Limits(video_seconds=1e-5))
    assert outcomes(tmp_path / "time") == {"a.mp4": "timeout"}


def frames_by_content(index: Path) -> Counter[str]:
    with IndexReader(index) as reader:
        return Counter(dict(reader.catalog.query(
            "SELECT sha256, count(*) FROM samples GROUP BY sha256"
        )))  # fmt: skip


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_kill_leaves_no_video_half_indexed(tmp_path: Path) -> None:
    root, index = tmp_path / "corpus", tmp_path / "index"
    root.mkdir()
    for number in range(10):
        colourful(root / f"{number:02d}.mp4", seed=number)
    run(tmp_path / "whole", root)
    whole = frames_by_content(tmp_path / "whole")
    assert set(whole.values()) == {12}
    rng = random.Random(7)
    seen = []
    for _ in range(8):
        process = start(index, root)
        time.sleep(rng.uniform(0.5, 6.0))
        process.send_signal(signal.SIGKILL)
        _, stderr = process.communicate()
        assert b"Traceback" not in stderr, stderr.decode()
        if (index / "published" / "catalog.duckdb").exists():
            found = frames_by_content(index)
            assert set(found.values()) <= {12}
            seen.append(len(found))
    assert seen == sorted(seen)
    run(index, root)
    assert frames_by_content(index) == whole
    assert examine(index).healthy


MEMORY = """
import resource, sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from indexer.build import BuildOptions, build
from indexer.store.writer import IndexWriter
from indexer.media.videos.frames import Sampling
from tests.fake_encoder import MeanColour
options = BuildOptions(workers=1, batch_size=8, loaded_from="mean-colour",
                       sampling=Sampling(fps=float(sys.argv[4]), most=int(sys.argv[5])))
with IndexWriter(Path(sys.argv[2])) as writer:
    build(writer, MeanColour(dim=384), [Path(sys.argv[3])], options)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
"""


@pytest.mark.slow
def test_memory_does_not_grow_with_length(tmp_path: Path) -> None:
    peaks = []
    for name, count in (("short", 200), ("long", 4000)):
        folder = tmp_path / name
        folder.mkdir()
        clip(folder / "a.mp4", steady(count), options={"preset": "ultrafast", "g": "100"},
             size=(480, 240), draw=lambda number: np.roll(LARGE, number, axis=1))  # fmt: skip
        output = subprocess.run(
            [sys.executable, "-c", MEMORY, str(ROOT), str(tmp_path / f"{name}-index"),
             str(folder), "4", "32"],
            capture_output=True, text=True, check=True,
        ).stdout  # fmt: skip
        peaks.append([int(line) for line in output.split()])
    (parent, worker), (longer_parent, longer_worker) = peaks
    assert longer_worker <= 1.1 * worker
    assert longer_parent <= 1.1 * parent


LARGE = np.random.default_rng(5).integers(0, 256, (240, 480, 3)).astype(np.uint8)


def test_sampling_is_checked() -> None:
    with pytest.raises(ValueError, match="frames a video"):
        Sampling(frames=0)
    with pytest.raises(ValueError, match="frames a second"):
        Sampling(fps=-1.0)
