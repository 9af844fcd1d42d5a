"""A sample leads back to the pixels it was made of, or to a word about why not."""

from __future__ import annotations

import io
import os
import shutil
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import dfindex
from indexer.errors import UnavailableError
from indexer.media.files import Limits
from indexer.media.source import Media
from indexer.media.videos.frames import Sampling
from indexer.originals import Originals
from indexer.types import Absence, Kind, Sample
from tests.fake_encoder import MeanColour
from tests.marks import mostly_slow
from tests.pictures import picture
from tests.videos import clip, number_of, steady


def indexed(root: Path) -> tuple[Originals, list[Sample]]:
    index = dfindex.build([root], index=root / ".dfindex", encoder=MeanColour(), workers=1)
    return index.originals, index.embeddings()[1]


def refused(originals: Originals, sample: Sample) -> tuple[Absence, str]:
    with pytest.raises(UnavailableError) as caught:
        originals.open(sample, at_least=300)
    assert originals.absent([sample]) == {sample.id: caught.value.why}
    return caught.value.why, str(caught.value)


def test_what_is_there_is_shown(tmp_path: Path) -> None:
    picture(1).save(tmp_path / "a.png")
    originals, [sample] = indexed(tmp_path)
    assert np.array_equal(np.asarray(originals.open(sample, at_least=300).image), picture(1))
    assert originals.absent([sample]) == {}
    with originals.file(sample).file as file:
        assert file.read() == (tmp_path / "a.png").read_bytes()


def test_a_name_that_is_no_text_leads_to_its_file_and_to_no_namesake(tmp_path: Path) -> None:
    raw = os.fsencode(tmp_path) + b"/caf\xe9 \xff.png"
    picture(1).save(tmp_path / "first.png")
    (tmp_path / "first.png").rename(os.fsdecode(raw))
    originals, [sample] = indexed(tmp_path)
    picture(2).save(sample.path)  # the name as it is displayed, which is another file's
    assert os.fsencode(originals.path(sample)) == raw
    assert np.array_equal(np.asarray(originals.open(sample, at_least=300).image), picture(1))


def test_of_two_paths_the_first_may_be_gone_or_changed(tmp_path: Path) -> None:
    for name in ("a.png", "b.png", "c.png"):
        picture(1).save(tmp_path / name)
    originals, [sample] = indexed(tmp_path)
    (tmp_path / "a.png").unlink()
    picture(2).save(tmp_path / "b.png")
    assert originals.path(sample) == tmp_path / "c.png"
    assert np.array_equal(np.asarray(originals.open(sample, at_least=300).image), picture(1))
    assert originals.absent([sample]) == {}
    (tmp_path / "c.png").unlink()
    why, words = refused(originals, sample)
    assert why is Absence.CHANGED
    assert "a.png is gone" in words
    assert "b.png has changed" in words
    assert "c.png is gone" in words


def test_another_picture_of_the_same_size_and_time_is_not_shown(tmp_path: Path) -> None:
    """The time of the old one does not help it: its bytes are read before they are shown."""
    path = tmp_path / "a.bmp"
    picture(1).save(path)
    before = path.stat()
    originals, [sample] = indexed(tmp_path)
    picture(2).save(path)
    assert path.stat().st_size == before.st_size
    why, words = refused_although_untouched(originals, sample, path, before)
    assert (why, "a.bmp has changed" in words) == (Absence.CHANGED, True)


def refused_although_untouched(
    originals: Originals, sample: Sample, path: Path, before: os.stat_result
) -> tuple[Absence, str]:
    found = refused(originals, sample)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    with pytest.raises(UnavailableError):
        originals.open(sample, at_least=300)
    with pytest.raises(UnavailableError):
        originals.file(sample)
    return found


def test_a_touched_file_is_still_there(tmp_path: Path) -> None:
    picture(1).save(tmp_path / "a.png")
    originals, [sample] = indexed(tmp_path)
    os.utime(tmp_path / "a.png", (1, 1))
    assert originals.absent([sample]) == {}


@pytest.mark.parametrize(
    "kind", mostly_slow(["gone", "folder gone", "pipe", "folder", "empty", "link"], quick=2)
)
def test_whatever_lies_there_instead_is_named(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "corpus" / "a.png"
    path.parent.mkdir()
    picture(1).save(path)
    originals, [sample] = indexed(tmp_path)
    path.unlink()
    match kind:
        case "folder gone":
            path.parent.rmdir()
            path.parent.write_text("a file where the folder was")
        case "pipe":
            os.mkfifo(path)
        case "folder":
            path.mkdir()
        case "empty":
            path.touch()
        case "link":
            path.symlink_to(tmp_path / "nowhere")
    expected = Absence.GONE if kind in ("gone", "folder gone", "link") else Absence.CHANGED
    assert refused(originals, sample)[0] is expected


@pytest.mark.parametrize("name", ["a.png", "a.mp4", "frames"])
@pytest.mark.parametrize(
    "kind", mostly_slow(["hole", "zeros", "pipe", "device", "folder", "longer"], quick=2)
)
def test_what_was_swapped_in_is_not_read_to_its_end(tmp_path: Path, kind: str, name: str) -> None:
    path = tmp_path / "corpus" / name
    path.parent.mkdir()
    originals, sample = indexed_by_name(path)
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.rename(tmp_path / name)
    match kind:
        case "hole":
            with path.open("wb") as file:
                file.truncate(1 << 42)
        case "zeros":
            path.write_bytes(b"\0" * (8 << 20))
        case "pipe":
            os.mkfifo(path)
        case "device":
            path.symlink_to("/dev/zero")
        case "folder":
            path.mkdir()
            for number in range(50):
                with (path / f"{number}.png").open("wb") as file:
                    file.truncate(1 << 40)
        case "longer":
            path.write_bytes(picture_bytes(1) + b"\0" * 100)
    started = time.monotonic()
    assert refused(originals, sample)[0] in (Absence.CHANGED, Absence.UNREADABLE)
    with pytest.raises(UnavailableError):
        originals.file(sample)
    assert time.monotonic() - started < 5


def picture_bytes(number: int) -> bytes:
    buffer = io.BytesIO()
    picture(number).save(buffer, "PNG")
    return buffer.getvalue()


def indexed_by_name(path: Path) -> tuple[Originals, Sample]:
    """Index one picture, film or folder of frames, by the suffix of its name."""
    frames: list[Path] = []
    match path.suffix:
        case ".png":
            path.write_bytes(picture_bytes(1))
        case ".mp4":
            clip(path, steady(20))
        case _:
            path.mkdir()
            frames = [path]
            for number in range(4):
                picture(number).save(path / f"{number}.png")
    index = dfindex.build(
        [path.parent],
        index=path.parent / ".dfindex",
        encoder=MeanColour(),
        workers=1,
        frames_folder=frames,
    )
    return index.originals, index.embeddings()[1][0]


@pytest.mark.parametrize("name", ["a.png", "a.mp4", "frames"])
def test_what_is_written_between_check_and_use_is_noticed(tmp_path: Path, name: str) -> None:
    path = tmp_path / "corpus" / name
    path.parent.mkdir()
    originals, sample = indexed_by_name(path)
    checked = None if path.is_dir() else originals.file(sample)
    with Media(os.fsencode(path), Limits(), Sampling()) as media:
        assert media.unchanged()
        time.sleep(0.02)
        written = path / "2.png" if path.is_dir() else path
        with written.open("r+b") as file:
            file.seek(-3, os.SEEK_END)
            file.write(b"abc")
        assert media.unchanged() is (name == "a.png")  # of a picture all is in memory
    if checked is not None:
        assert not checked.unchanged
        checked.file.close()


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_a_file_nobody_may_read_is_not_called_gone(tmp_path: Path) -> None:
    picture(1).save(tmp_path / "a.png")
    originals, [sample] = indexed(tmp_path)
    (tmp_path / "a.png").chmod(0)
    why, _ = refused(originals, sample)
    assert why is Absence.UNREADABLE


def test_frames_are_those_of_their_time(tmp_path: Path) -> None:
    clip(tmp_path / "a.mp4", steady(50))
    originals, samples = indexed(tmp_path)
    assert {one.kind for one in samples} == {Kind.FRAME}
    for sample in samples[:3]:
        shown = originals.open(sample, at_least=300)
        assert number_of(shown.image) == round((sample.time_s or 0.0) * 25)
    moments = [0.0, 0.4, 0.4, 1.2]
    shown_then = originals.frames(samples[0], moments, at_least=300)
    assert [number_of(one.image) for one in shown_then] == [0, 10, 10, 30]


def test_a_film_exchanged_for_another_is_not_shown(tmp_path: Path) -> None:
    clip(tmp_path / "a.mp4", steady(20))
    originals, samples = indexed(tmp_path)
    clip(tmp_path / "other.mp4", [0.04 * one for one in range(20, 40)])
    shutil.move(tmp_path / "other.mp4", tmp_path / "a.mp4")
    assert refused(originals, samples[0])[0] is Absence.CHANGED


def test_a_folder_of_frames_changes_with_any_of_them(tmp_path: Path) -> None:
    folder = tmp_path / "frames"
    folder.mkdir()
    for number in range(4):
        picture(number).save(folder / f"{number}.png")
    index = dfindex.build(
        [tmp_path],
        index=tmp_path / ".dfindex",
        encoder=MeanColour(),
        workers=1,
        frames_folder=[folder],
    )
    sample = index.embeddings()[1][0]
    assert index.originals.absent([sample]) == {}
    Image.new("RGB", (48, 40)).save(folder / "2.png")
    assert refused(index.originals, sample)[0] is Absence.CHANGED
