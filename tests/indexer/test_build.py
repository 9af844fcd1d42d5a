"""A build indexes every file once, or says why not, and does nothing twice."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import numpy as np
import pytest

from indexer.build import BuildOptions, BuildReport, build
from indexer.errors import IndexLockedError, SpaceMismatchError, UsageError
from indexer.store.maintenance.compaction import compact
from indexer.store.reader import IndexReader
from indexer.store.writer import IndexWriter
from indexer.types import unit
from tests.fake_encoder import MeanColour
from tests.pictures import corpus, picture

OPTIONS = BuildOptions(workers=1, batch_size=4, loaded_from="mean-colour")


def run(
    index: Path, root: Path, encoder: MeanColour | None = None, **changes: object
) -> BuildReport:
    options = BuildOptions(**{**vars(OPTIONS), **changes})  # type: ignore[arg-type]
    with IndexWriter(index) as writer:
        return build(writer, encoder or MeanColour(), [root], options)


def paths_by_id(index: Path) -> dict[int, str]:
    with IndexReader(index) as reader:
        ids = reader.space().ids().tolist()
        return {sample.id: sample.path for sample in reader.catalog.samples(ids)}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    corpus(tmp_path / "corpus", 12)
    return tmp_path / "corpus"


@pytest.fixture
def index(tmp_path: Path) -> Path:
    return tmp_path / "index"


def test_vectors_are_those_of_the_encoder_for_the_same_pictures(root: Path, index: Path) -> None:
    from PIL import Image

    from indexer.preprocess import prepare

    report = run(index, root)
    assert (report.seen, report.embedded, report.failed) == (12, 12, 0)
    encoder = MeanColour()
    with IndexReader(index) as reader:
        found = reader.space().embeddings()
        samples = reader.catalog.samples(found.ids.tolist())
    assert sorted(sample.path for sample in samples) == sorted(map(str, root.iterdir()))
    for vector, sample in zip(found.vectors, samples, strict=True):
        with Image.open(sample.path) as image:
            pixels = prepare(image.convert("RGB"), encoder.spec.preset)
        np.testing.assert_allclose(vector, unit(encoder.encode(pixels[None]).cls)[0], atol=1e-3)
        assert (sample.width, sample.height) == (48, 40)


def test_a_second_build_embeds_nothing(root: Path, index: Path) -> None:
    run(index, root)
    before = paths_by_id(index)
    encoder = MeanColour()
    report = run(index, root, encoder)
    assert (report.unchanged, report.embedded, report.linked) == (12, 0, 0)
    assert encoder.pictures == 0
    assert paths_by_id(index) == before


def test_same_bytes_are_one_sample_with_two_paths(root: Path, index: Path) -> None:
    shutil.copy(root / "00000.png", root / "copy.png")
    report = run(index, root)
    assert (report.seen, report.embedded, report.linked) == (13, 12, 1)
    with IndexReader(index) as reader:
        counts = reader.catalog.media_counts()
        ids = reader.catalog.find(str(root / "copy.png"))
        assert ids == reader.catalog.find(str(root / "00000.png"))
        sha256 = reader.catalog.samples(ids)[0].sha256
        assert len(reader.catalog.paths_of(sha256)) == 2
    assert (counts.seen, counts.indexed, counts.failed) == (13, 13, 0)


def test_a_moved_file_is_not_embedded_again(root: Path, index: Path) -> None:
    run(index, root)
    before = set(paths_by_id(index))
    (root / "00003.png").rename(root / "moved.png")
    encoder = MeanColour()
    report = run(index, root, encoder, prune=True)
    assert (report.embedded, report.linked, report.pruned) == (0, 1, 1)
    assert encoder.pictures == 0
    after = paths_by_id(index)
    assert set(after) == before
    assert str(root / "moved.png") in after.values()
    assert str(root / "00003.png") not in after.values()


def test_a_touched_file_is_recognised_by_its_content(root: Path, index: Path) -> None:
    run(index, root)
    os.utime(root / "00003.png", (1, 1))
    encoder = MeanColour()
    report = run(index, root, encoder)
    assert (report.unchanged, report.linked, encoder.pictures) == (11, 1, 0)


def test_a_changed_file_replaces_its_old_version(root: Path, index: Path) -> None:
    run(index, root)
    before = paths_by_id(index)
    picture(999).save(root / "00003.png")
    report = run(index, root)
    assert report.embedded == 1
    after = paths_by_id(index)
    assert len(after) == 12
    old = next(one for one, path in before.items() if path.endswith("00003.png"))
    new = next(one for one, path in after.items() if path.endswith("00003.png"))
    assert old not in after
    assert new > max(before)  # an id is never used again


def test_a_vanished_file_is_reported_and_pruned_on_demand(root: Path, index: Path) -> None:
    run(index, root)
    (root / "00005.png").unlink()
    report = run(index, root)
    assert list(report.missing) == [str(root / "00005.png")]
    assert len(paths_by_id(index)) == 12
    report = run(index, root, prune=True)
    assert (report.pruned, list(report.missing)) == (1, [])
    assert str(root / "00005.png") not in paths_by_id(index).values()
    with IndexReader(index) as reader:
        counts = reader.catalog.media_counts()
    assert (counts.seen, counts.indexed, counts.removed) == (11, 11, 1)


def test_files_outside_the_roots_are_not_missing(root: Path, index: Path, tmp_path: Path) -> None:
    other = tmp_path / "corpus2"
    corpus(other, 3, first_seed=100)
    run(index, root)
    report = run(index, other)
    assert list(report.missing) == []
    assert len(paths_by_id(index)) == 15


def test_failures_are_listed_and_counted(root: Path, index: Path) -> None:
    (root / "empty.jpg").touch()
    (root / "notes.txt").write_text("not a picture")
    whole = (root / "00000.png").read_bytes()
    (root / "cut.png").write_bytes(whole[: len(whole) // 2])
    report = run(index, root)
    assert (report.seen, report.embedded, report.failed) == (15, 12, 3)
    with IndexReader(index) as reader:
        reasons = {Path(one.path).name: one.reason for one in reader.catalog.failures()}
        counts = reader.catalog.media_counts()
    assert reasons == {"empty.jpg": "empty", "notes.txt": "not_media", "cut.png": "truncated"}
    assert counts.indexed + counts.failed == counts.seen == 15


def test_a_mended_file_leaves_the_failures(root: Path, index: Path) -> None:
    (root / "x.png").touch()
    run(index, root)
    picture(77).save(root / "x.png")
    report = run(index, root)
    assert (report.embedded, report.failed_in_all) == (1, 0)


def test_a_file_that_breaks_loses_its_sample(root: Path, index: Path) -> None:
    run(index, root)
    (root / "00001.png").write_bytes(b"")
    report = run(index, root)
    assert report.failed_in_all == 1
    assert len(paths_by_id(index)) == 11


def test_an_index_inside_the_corpus_is_not_indexed(root: Path) -> None:
    run(root / ".dfindex", root)
    report = run(root / ".dfindex", root)
    assert report.seen == 12


def test_a_second_encoder_makes_a_second_space(root: Path, index: Path) -> None:
    run(index, root)
    report = run(index, root, MeanColour(dim=16))
    assert report.embedded == 12
    with IndexReader(index) as reader:
        one, other = reader.spaces()
        assert (one.dim, other.dim, one.samples, other.samples) == (12, 16, 12, 12)
        first, second = (reader.space(row.fingerprint) for row in (one, other))
        assert first.ids().tolist() == second.ids().tolist()  # one sample, two embeddings
        with pytest.raises(SpaceMismatchError, match="made by mean-colour"):
            first.check(MeanColour(dim=16).spec)
        with pytest.raises(SpaceMismatchError, match="12 dimensions"):
            first.neighbours(np.ones((1, 16), np.float32), 3)
    assert sum(reader_counts(index).values()) == 12


def reader_counts(index: Path) -> dict[str, int]:
    with IndexReader(index) as reader:
        return reader.catalog.sample_counts()


def test_one_writer_at_a_time_and_readers_meanwhile(root: Path, index: Path) -> None:
    run(index, root)
    with IndexWriter(index):
        with pytest.raises(IndexLockedError, match=f"process {os.getpid()}"):
            IndexWriter(index)
        assert len(paths_by_id(index)) == 12
    run(index, root)


def test_a_root_that_does_not_exist_is_said_before_anything_is_read(
    root: Path, index: Path
) -> None:
    with pytest.raises(UsageError, match="nowhere"), IndexWriter(index) as writer:
        build(writer, MeanColour(), [root, root / "nowhere"], OPTIONS)
    assert reader_counts(index)["image"] == 0


def test_labels_from_a_file_and_from_folders(tmp_path: Path, index: Path) -> None:
    root = tmp_path / "corpus"
    corpus(root / "real", 2)
    corpus(root / "fake" / "sd1.5", 2, first_seed=10)
    csv = root / "labels.csv"
    csv.write_text(
        "path,label,generator,source\n"
        "real/00000.png,real,,camera\n"
        "fake/sd1.5/00001.png,fake,other,\n"
        "gone.png,fake,,\n"
    )
    report = run(index, root, labels=csv, label_from_folders=True)
    assert [line.split(":")[0] for line in report.labels_unmatched] == ["line 4"]
    with IndexReader(index) as reader:
        ids = reader.space().ids().tolist()
        told = {
            Path(one.path).relative_to(root).as_posix(): (one.label, one.generator, one.source)
            for one in reader.catalog.samples(ids)
        }
    assert told == {
        "real/00000.png": ("real", None, "camera"),
        "real/00001.png": ("real", None, None),
        "fake/sd1.5/00000.png": ("fake", "sd1.5", None),
        "fake/sd1.5/00001.png": ("fake", "other", None),
    }


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("file,label\nx,real\n", "columns path,label"),
        ("path,label\nx.png,maybe\n", r"line 2: expected the label real or fake, got 'maybe'"),
        ("path,label\nx.png\n", "line 2: expected 2 fields"),
        ("path,label\nx.png,real,too,many\n", "line 2: expected 2 fields"),
        ("path,label\n,real\n", "line 2: the path is empty"),
        ("", "columns path,label"),
    ],
)
def test_wrong_label_files_name_their_line(
    tmp_path: Path, root: Path, index: Path, text: str, message: str
) -> None:
    csv = tmp_path / "labels.csv"
    csv.write_text(text)
    with pytest.raises(UsageError, match=message):
        run(index, root, labels=csv)


@pytest.mark.slow
def test_removed_samples_are_not_found_and_compaction_drops_them(root: Path, index: Path) -> None:
    run(index, root)
    gone = [path for path in sorted(root.iterdir())[:7]]
    with IndexWriter(index) as writer:
        assert writer.catalog.remove_paths([os.fsencode(path) for path in gone]) == 7
    kept = paths_by_id(index)
    assert sorted(kept.values()) == [str(path) for path in sorted(root.iterdir())[7:]]
    with IndexReader(index) as reader:
        before = reader.space().embeddings()
        assert len(before) == 5
        _, ids = reader.space().neighbours(before.vectors, 12)
        assert set(ids.ravel().tolist()) == set(kept)
    with IndexWriter(index) as writer:
        result = compact(writer)
    assert result.rows_dropped == 7
    assert result.bytes_after < result.bytes_before
    with IndexReader(index) as reader:
        after = reader.space().embeddings()
        np.testing.assert_array_equal(after.ids, before.ids)
        np.testing.assert_allclose(after.vectors, before.vectors, atol=1e-6)
        assert len(reader.catalog.tombstones()) == 0
    report = run(index, root)
    assert report.embedded == 7
    assert min(set(paths_by_id(index)) - set(kept)) > max(kept)
