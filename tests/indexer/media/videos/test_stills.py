"""Animations and folders of frames are videos: frames at their times, in their order."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from indexer.build import BuildOptions, build
from indexer.media.files import Limits
from indexer.media.source import Media
from indexer.media.videos.frames import Sampling, sampled
from indexer.media.videos.opening import holds_video
from indexer.media.videos.stills import Animation, FrameFolder
from indexer.store.reader import IndexReader
from indexer.store.writer import IndexWriter
from tests.fake_encoder import MeanColour
from tests.indexer.media.videos.test_frames import expected
from tests.indexer.test_video_build import patch
from tests.videos import number_of, numbered


def animation(path: Path, shown: list[int], frames: int | None = None) -> Path:
    """Write an animation whose n-th frame is shown for ``shown[n]`` milliseconds."""
    pictures = [Image.fromarray(numbered(number)) for number in range(frames or len(shown))]
    options = {"lossless": True} if path.suffix == ".webp" else {}
    pictures[0].save(path, save_all=True, append_images=pictures[1:], duration=shown, **options)
    return path


@pytest.mark.parametrize("name", ["a.gif", "a.webp"])
def test_an_animation_s_frames_come_out_exactly(name: str, tmp_path: Path) -> None:
    shown = [40 + 10 * (number * 7 % 20) for number in range(40)]
    path = animation(tmp_path / name, shown)
    starts = [sum(shown[:place]) / 1000 for place in range(len(shown))]
    video = Animation(path.read_bytes(), Limits())
    assert video.duration == pytest.approx(sum(shown) / 1000)
    numbers = [number_of(one.image) for one in sampled(video, Sampling())]
    assert numbers == expected(starts, sum(shown) / 1000)
    assert holds_video(path)


@pytest.mark.parametrize("name", ["still.gif", "still.webp", "still.png"])
def test_a_still_picture_stays_one(name: str, tmp_path: Path) -> None:
    Image.fromarray(patch(1)).save(tmp_path / name)
    assert not holds_video(tmp_path / name)
    with Media(bytes(tmp_path / name), Limits(), Sampling()) as media:
        assert [one.span for one in media.pictures(32)] == [None]


def test_a_folder_s_frames_are_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    for number in range(120):
        Image.fromarray(numbered(number)).save(tmp_path / f"frame{number}.png", compress_level=1)
    (tmp_path / "notes.txt").write_text("no frame")
    video = FrameFolder(bytes(tmp_path), Limits())
    numbers = [number_of(one.image) for one in sampled(video, Sampling())]
    assert numbers == [5 + 10 * part for part in range(12)]
    assert video.duration == 120 / 25


def test_folders_and_animations_are_indexed_as_videos(tmp_path: Path) -> None:
    root = tmp_path / "corpus"
    for name in ("one", "two"):
        (root / "clips" / name).mkdir(parents=True)
        for number in range(15):
            shift = 0 if name == "one" else 100
            picture = Image.fromarray(patch(shift + number))
            picture.save(root / "clips" / name / f"{number}.png", compress_level=1)
    animation(root / "moving.gif", [100] * 6)
    Image.fromarray(patch(1)).save(root / "still.gif")
    options = BuildOptions(
        workers=1, batch_size=4, loaded_from="mean-colour", frame_folders=[root / "clips"]
    )
    with IndexWriter(tmp_path / "index") as writer:
        report = build(writer, MeanColour(), [root], options)
        again = build(writer, MeanColour(), [root], options)
    assert (report.seen, report.embedded, report.failed) == (4, 4, 0)
    assert again.unchanged == 4
    with IndexReader(tmp_path / "index") as reader:
        rows = reader.catalog.query(
            "SELECT p.path, s.kind, count(*) FROM samples s JOIN paths p USING (sha256) "
            "GROUP BY ALL ORDER BY p.path"
        )
    found = {Path(path).name: (kind, count) for path, kind, count in rows}
    assert found["one"] == found["two"] == ("frame", 12)
    assert found["still.gif"] == ("image", 1)
    assert found["moving.gif"][0] == "frame"


def test_a_cut_animation_ends_where_it_is_cut(tmp_path: Path) -> None:
    data = animation(tmp_path / "a.gif", [100] * 20).read_bytes()
    video = Animation(data[: len(data) // 2], Limits())
    assert 0.5 <= video.duration <= 1.5
    assert [number_of(one.image) for one in video.at([0.0, 0.45], None)] == [0, 4]
