"""An index of a few thousand samples keeps its keypoints in lists that readers map."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from indexer.corpus import FoundFile
from indexer.store.maintenance.compaction import compact, rewrite
from indexer.store.maintenance.examination import examine
from indexer.store.maintenance.repair import repair
from indexer.store.reader import IndexReader
from indexer.store.vectors.keypoint_cache import PART, WORTH
from indexer.store.vectors.patch_codec import PatchCodec
from indexer.store.writer import IndexWriter, NewSample
from indexer.types import unit
from tests.fake_encoder import MeanColour
from tests.indexer.store.vectors.test_keypoint_cache import drawn, told

pytestmark = pytest.mark.slow

SPEC = MeanColour().spec
CODEC = PatchCodec.fit(np.random.default_rng(0).normal(size=(16, 12)).astype(np.float32))
COUNT = PART + WORTH + 300
QUERY = 4000
BATCH = 512
ROWS = [drawn(seed, 40).to_row() for seed in range(97)]
OWN = drawn(1000, 60)


def sample(number: int) -> NewSample:
    path = f"/corpus/{number:04d}.png"
    return NewSample(
        file=FoundFile(raw=path.encode(), path=path, size=9, mtime_ns=1),
        sha256=f"{number:064x}",
        width=40,
        height=30,
        format="PNG",
        vector=unit(np.random.default_rng(number).normal(size=(1, 12)))[0],
        patch_row=CODEC.encode(np.zeros((1, 4, 12), np.float32))[0],
        keypoint_row=OWN.to_row() if number == QUERY else ROWS[number % len(ROWS)],
    )


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("lists") / "index"
    with IndexWriter(path) as writer:
        writer.add_space(SPEC, CODEC, loaded_from="mean-colour")
        for start in range(0, COUNT, BATCH):
            numbers = range(start, min(COUNT, start + BATCH))
            writer.commit(SPEC, made_on=MeanColour(), samples=[sample(one) for one in numbers])
        writer.refresh_keypoints(SPEC.fingerprint)
    return path


@pytest.fixture
def index(made: Path, tmp_path: Path) -> Path:
    shutil.copytree(made, tmp_path / "index")
    return tmp_path / "index"


def lists(index: Path) -> list[Path]:
    return sorted(index.glob("spaces/*/keypoints/*.lists"))


def nearest(index: Path) -> set[tuple[object, ...]]:
    with IndexReader(index) as reader:
        return told(reader.space().keypoints.search(OWN, 4))


def its_own(index: Path) -> int:
    """Return how many of the query's keypoints are found as they are."""
    with IndexReader(index) as reader:
        return int((reader.space().keypoints.search(OWN, 4).distances == 0).sum())


def test_a_build_writes_them_while_it_goes_on_and_at_its_end(index: Path) -> None:
    assert len(lists(index)) == 2
    assert its_own(index) >= 59
    assert examine(index).healthy


@pytest.mark.parametrize("harm", [shutil.rmtree, lambda path: lists(path.parents[2])[0].unlink()])
def test_without_them_the_answer_is_the_same(index: Path, harm: Callable[[Path], None]) -> None:
    before = nearest(index)
    harm(lists(index)[0].parent)
    assert nearest(index) == before
    with IndexWriter(index) as writer:
        writer.refresh_keypoints(SPEC.fingerprint)
    assert nearest(index) == before
    assert examine(index).healthy


def test_what_is_removed_is_found_no_more_and_leaves_the_files_with_a_compaction(
    index: Path,
) -> None:
    code = OWN.codes[0].tobytes()
    assert any(code in path.read_bytes() for path in lists(index))
    with IndexWriter(index) as writer:
        writer.catalog.remove_paths([f"/corpus/{QUERY:04d}.png".encode()])
    assert its_own(index) == 0
    with IndexWriter(index) as writer:
        compact(writer)
    assert its_own(index) == 0
    assert lists(index)
    assert not any(code in path.read_bytes() for path in index.rglob("*") if path.is_file())


def test_a_compaction_leaves_out_what_a_build_has_dropped_before(index: Path) -> None:
    """No row is left to drop then: the lists are looked through all the same."""
    code = OWN.codes[0].tobytes()
    with IndexWriter(index) as writer:
        writer.catalog.remove_paths([f"/corpus/{QUERY:04d}.png".encode()])
        rewrite(writer, writer.catalog.segments(SPEC.fingerprint))
    assert any(code in path.read_bytes() for path in lists(index))
    with IndexWriter(index) as writer:
        assert compact(writer).rows_dropped == 0
    assert not any(code in path.read_bytes() for path in index.rglob("*") if path.is_file())


def test_the_doctor_sees_a_flip_in_them_and_repair_makes_room_for_new_ones(index: Path) -> None:
    path = lists(index)[0]
    data = bytearray(path.read_bytes())
    data[-1000] ^= 1
    path.write_bytes(data)
    found = examine(index)
    assert [path.name in one.problem for one in found.findings] == [True]
    repair(index)
    assert not lists(index)
    assert examine(index).healthy
    assert its_own(index) >= 59
