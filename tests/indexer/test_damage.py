"""A flipped byte anywhere is an error or is mended; it never becomes a wrong answer."""

from __future__ import annotations

import hashlib
import random
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from indexer.build import BuildOptions, build
from indexer.errors import DfindexError, IndexDamagedError, IndexFormatError
from indexer.store.catalog.database import attach
from indexer.store.catalog.migrations import FORMAT_VERSION
from indexer.store.folder import IndexFolder
from indexer.store.head_outputs import HeadOutputs
from indexer.store.maintenance.examination import examine
from indexer.store.maintenance.quarantine import quarantined
from indexer.store.maintenance.repair import repair
from indexer.store.reader import IndexReader
from indexer.store.writer import IndexWriter
from indexer.types import Features, Head, UInt8
from tests.fake_encoder import MeanColour
from tests.marks import mostly_slow
from tests.pictures import corpus

FILES = 40
OPTIONS = BuildOptions(workers=1, batch_size=8, loaded_from="mean-colour")


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("damage")
    corpus(root / "corpus", FILES)
    (root / "corpus" / "empty.png").touch()
    with IndexWriter(root / "index") as writer:
        build(writer, MeanColour(), [root / "corpus"], OPTIONS)
    return root


@pytest.fixture
def index(built: Path, tmp_path: Path) -> Path:
    shutil.copytree(built / "index", tmp_path / "index")
    return tmp_path / "index"


def rebuild(index: Path, built: Path) -> int:
    with IndexWriter(index) as writer:
        return build(writer, MeanColour(), [built / "corpus"], OPTIONS).embedded


def everything(index: Path) -> tuple[object, ...]:
    """Read all that a search may rest on."""
    with IndexReader(index) as reader:
        space = reader.space()
        found = space.embeddings()
        samples = reader.catalog.samples(found.ids.tolist())
        scores, ids = space.neighbours(found.vectors, 5)
        patches = space.patches(found.ids.tolist())
        return (
            [(one.path, one.sha256) for one in samples],
            found.vectors.tolist(),
            scores.round(5).tolist(),
            ids.tolist(),
            patches.tolist(),
            [(ids.tolist(), rows.tolist()) for ids, rows in space.keypoint_rows()],
            [(one.path, one.reason) for one in reader.catalog.failures()],
        )


def flips(path: Path, count: int, seed: int) -> Iterator[int]:
    """Flip one bit after the other in a file, and put it back; yield where."""
    original = path.read_bytes()
    rng = random.Random(seed)
    # Half of them in the first bytes, where the headers are.
    places = [rng.randrange(min(len(original), 16384)) for _ in range(count // 2)]
    places += [rng.randrange(len(original)) for _ in range(count - len(places))]
    for place in places:
        data = bytearray(original)
        data[place] ^= 1 << rng.randrange(8)
        path.write_bytes(data)
        yield place
    path.write_bytes(original)


@pytest.mark.parametrize(
    "pattern",
    mostly_slow(
        [
            "spaces/*/segments/*.cls",
            "spaces/*/segments/*.patch",
            "spaces/*/segments/*.ids",
            "spaces/*/segments/*.points",
            "spaces/*/ann/*.faiss",
            "spaces/*/ann/*.json",
            "spaces/*/spec.json",
            "published/catalog.duckdb",
        ],
        quick=1,
    ),
)
def test_a_flipped_bit_never_changes_an_answer(index: Path, pattern: str) -> None:
    expected = everything(index)
    path = next(index.glob(pattern))
    noticed = 0
    for place in flips(path, 24, seed=1):
        try:
            got = everything(index)
        except DfindexError as error:
            noticed += 1
            assert "doctor" in str(error) or isinstance(error, IndexFormatError), place
        else:
            assert got == expected, f"a flipped bit at {place} of {path.name} changed an answer"
    assert everything(index) == expected
    if pattern.endswith((".cls", ".patch", ".ids", ".points", "spec.json")):
        assert noticed == 24


@pytest.mark.parametrize(
    "pattern",
    mostly_slow(
        [
            "spaces/*/segments/*.cls",
            "spaces/*/segments/*.patch",
            "spaces/*/segments/*.ids",
            "spaces/*/segments/*.points",
            "spaces/*/ann/*.faiss",
            "spaces/*/spec.json",
            "spaces/*/patch_codec.npz",
        ],
        quick=1,
    ),
)
def test_the_doctor_sees_every_flipped_bit(index: Path, pattern: str) -> None:
    assert examine(index).healthy
    for place in flips(next(index.glob(pattern)), 4, seed=2):
        assert not examine(index).healthy, f"unnoticed at {place}"
    assert examine(index).healthy


@pytest.mark.parametrize(
    ("pattern", "lost"),
    mostly_slow(
        [
            ("spaces/*/segments/*.cls", FILES),
            ("spaces/*/segments/*.patch", FILES),
            ("spaces/*/segments/*.ids", FILES),
            ("spaces/*/segments/*.points", FILES),
            ("spaces/*/ann/*.faiss", 0),
            ("spaces/*/spec.json", 0),
            ("spaces/*/patch_codec.npz", 0),
            ("published/catalog.duckdb", 0),
            ("catalog.duckdb", 0),
        ],
        quick=2,
    ),
)
@pytest.mark.parametrize("harm", mostly_slow(["flip", "cut", "delete"], quick=1))
def test_repair_mends_what_can_be_and_says_what_is_lost(
    index: Path, built: Path, pattern: str, lost: int, harm: str
) -> None:
    expected = everything(index)
    path = next(index.glob(pattern))
    data = bytearray(path.read_bytes())
    data[len(data) // 3] ^= 4
    if harm == "flip":
        path.write_bytes(data)
    elif harm == "cut":
        path.write_bytes(data[: len(data) // 2])
    else:
        path.unlink()
    result = repair(index)
    if lost:
        assert any(finding.loses for finding in result.findings)
    assert examine(index).healthy
    assert rebuild(index, built) == lost
    got = everything(index)
    assert got[0] == expected[0] or lost
    assert sorted(got[0]) == sorted(expected[0])
    assert got[-1] == expected[-1]
    if not lost:
        assert got == expected


@pytest.mark.slow
def test_both_catalogs_lost_are_rebuilt_from_the_segments(index: Path, built: Path) -> None:
    expected = everything(index)
    for name in ("catalog.duckdb", "published/catalog.duckdb"):
        (index / name).write_bytes(b"gone")
    with pytest.raises(DfindexError, match="doctor --repair"):
        everything(index)
    result = repair(index)
    assert any("adopted the segment" in action for action in result.actions)
    assert everything(index)[:5] == expected[:5]
    assert rebuild(index, built) == 0  # the empty file is listed again, nothing is embedded
    assert everything(index) == expected


def test_lost_commits_are_noticed_and_brought_back(
    index: Path, built: Path, tmp_path: Path
) -> None:
    older = (index / "catalog.duckdb").read_bytes()
    corpus(tmp_path / "more", 5, first_seed=900)
    with IndexWriter(index) as writer:
        build(writer, MeanColour(), [tmp_path / "more"], OPTIONS)
    expected = everything(index)
    (index / "catalog.duckdb").write_bytes(older)
    with pytest.raises(IndexDamagedError, match="commits were lost"):
        IndexWriter(index)
    repair(index)
    assert everything(index) == expected
    with IndexWriter(index):
        pass


def test_an_orphan_segment_goes_to_quarantine_and_is_not_deleted(index: Path) -> None:
    expected = everything(index)
    folder = next(index.glob("spaces/*/segments"))
    for suffix in (".cls", ".patch", ".ids"):
        shutil.copy(next(folder.glob(f"*{suffix}")), folder / f"000000000999{suffix}")
    (folder / "000000001000.cls.tmp").write_bytes(b"half")
    with IndexWriter(index):
        pass
    (orphan,) = quarantined(IndexFolder(index))
    assert [Path(one).name for one in orphan.files] == [
        f"000000000999{suffix}" for suffix in (".cls", ".ids", ".patch")
    ]
    assert not (folder / "000000001000.cls.tmp").exists()  # half a file is of no use to anybody
    assert everything(index) == expected


def test_a_newer_format_is_refused_and_left_alone(index: Path) -> None:
    for name in ("catalog.duckdb", "published/catalog.duckdb"):
        connection = attach(index / name, read_only=False)
        connection.execute(
            "UPDATE meta SET value = ? WHERE key = 'format_version'", [str(FORMAT_VERSION + 1)]
        )
        connection.close()
    before = (index / "catalog.duckdb").read_bytes()
    with pytest.raises(IndexFormatError, match="use the newer dfindex"):
        IndexReader(index)
    with pytest.raises(IndexFormatError, match="use the newer dfindex"):
        IndexWriter(index)
    assert (index / "catalog.duckdb").read_bytes() == before


def test_a_full_disk_leaves_the_index_as_it_was(
    index: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A segment that cannot be written is an error that says so; the next build goes on."""
    import os

    from indexer.errors import StoreError

    expected = everything(index)
    corpus(tmp_path / "more", 5, first_seed=900)
    real = os.fsync

    def full(descriptor: int) -> None:
        if ".patch." in str(Path(f"/proc/self/fd/{descriptor}").readlink()):
            raise OSError(28, "No space left on device")
        real(descriptor)

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", full)
        with pytest.raises(StoreError, match="No space left"), IndexWriter(index) as writer:
            build(writer, MeanColour(), [tmp_path / "more"], OPTIONS)
    assert everything(index) == expected
    with IndexWriter(index) as writer:
        assert build(writer, MeanColour(), [tmp_path / "more"], OPTIONS).embedded == 5
    assert examine(index).healthy


def test_vectors_survive_the_round_trip_through_faiss_and_segments(index: Path) -> None:
    with IndexReader(index) as reader:
        space = reader.space()
        found = space.embeddings()
        scores, ids = space.neighbours(found.vectors, 1)
    np.testing.assert_allclose(scores[:, 0], 1, atol=1e-5)
    assert ids[:, 0].tolist() == found.ids.tolist()


class HeadedColour(MeanColour):
    """The tests' encoder with a head of its own: the logit is the sum of the class token."""

    def __init__(self) -> None:
        super().__init__()
        self.spec = replace(
            self.spec, head=Head.SIGMOID1, weights_sha256=hashlib.sha256(b"headed").hexdigest()
        )

    def encode(self, images: UInt8) -> Features:
        features = super().encode(images)
        return replace(features, logits=features.cls.sum(axis=1, keepdims=True))


@pytest.fixture
def headed(built: Path, tmp_path: Path) -> Path:
    with IndexWriter(tmp_path / "headed") as writer:
        build(writer, HeadedColour(), [built / "corpus"], OPTIONS)
    return tmp_path / "headed"


def logits(index: Path) -> np.ndarray:
    with IndexReader(index) as reader:
        row = reader.space().row
        folder = IndexFolder(index).space(row.fingerprint)
        rows = list(HeadOutputs(reader.catalog, row.fingerprint, folder, row.dim).batches())
    tokens, found = (np.concatenate(each) for each in zip(*rows, strict=True))
    np.testing.assert_allclose(found[:, 0], tokens.sum(axis=1), atol=1e-5)
    return found


@pytest.mark.slow
def test_a_flipped_bit_of_what_a_head_read_is_noticed_and_mended(headed: Path, built: Path) -> None:
    expected = logits(headed)
    assert len(expected) == FILES
    path = next(headed.glob("spaces/*/segments/*.head"))
    for place in flips(path, 4, seed=3):
        assert not examine(headed).healthy, place
        with pytest.raises(IndexDamagedError, match="doctor"):
            logits(headed)
    data = bytearray(path.read_bytes())
    data[-3] ^= 16
    path.write_bytes(data)
    assert any(finding.loses for finding in repair(headed).findings)
    with IndexWriter(headed) as writer:
        assert build(writer, HeadedColour(), [built / "corpus"], OPTIONS).embedded == FILES
    assert examine(headed).healthy
    np.testing.assert_array_equal(np.sort(logits(headed), axis=0), np.sort(expected, axis=0))
