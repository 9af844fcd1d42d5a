"""Many small commits leave few segments, the same vectors, and nothing of what was removed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from indexer.corpus import FoundFile
from indexer.store.maintenance.joining import FEW, join_small
from indexer.store.reader import IndexReader
from indexer.store.vectors.patch_codec import PatchCodec
from indexer.store.writer import IndexWriter, NewSample
from indexer.types import unit
from tests.fake_encoder import MeanColour

SPEC = MeanColour().spec
CODEC = PatchCodec.fit(np.random.default_rng(0).normal(size=(16, 12)).astype(np.float32))
VECTORS = unit(np.random.default_rng(1).normal(size=(300, 12)))


def sample(number: int) -> NewSample:
    path = f"/corpus/{number:04d}.png"
    return NewSample(
        file=FoundFile(raw=path.encode(), path=path, size=9, mtime_ns=1),
        sha256=f"{number:064x}",
        width=40,
        height=30,
        format="PNG",
        vector=VECTORS[number],
        patch_row=CODEC.encode(np.zeros((1, 4, 12), np.float32))[0],
        structure=float(number),
    )


def commit(writer: IndexWriter, *numbers: int, device: str = "cpu") -> None:
    encoder = MeanColour()
    encoder.device = device
    writer.commit(SPEC, made_on=encoder, samples=[sample(one) for one in numbers])


@pytest.fixture
def writer(tmp_path: Path) -> IndexWriter:
    with IndexWriter(tmp_path / "index") as made:
        made.add_space(SPEC, CODEC, loaded_from="mean-colour")
        yield made


def stored(writer: IndexWriter) -> dict[str, np.ndarray]:
    """Return what a reader finds, by path."""
    writer.publish()
    with IndexReader(writer.folder.path) as reader:
        found = reader.space().embeddings()
        samples = reader.catalog.samples(found.ids.tolist())
    return {one.path: vector for one, vector in zip(samples, found.vectors, strict=True)}


def files(writer: IndexWriter) -> int:
    return len(list(writer.folder.space(SPEC.fingerprint).segments.iterdir()))


@pytest.mark.slow
def test_segments_stay_few_and_their_vectors_the_same(writer: IndexWriter) -> None:
    most = 0
    for number in range(40):
        commit(writer, number)
        join_small(writer, SPEC.fingerprint)
        most = max(most, files(writer))
    assert most <= 3 * (FEW + 2)  # files of a segment
    found = stored(writer)
    assert len(found) == 40
    expected = np.stack([VECTORS[int(Path(path).stem)] for path in sorted(found)])
    # rounded to half precision once, however often they were written again
    once = unit(unit(expected).astype(np.float16))
    np.testing.assert_array_equal([found[path] for path in sorted(found)], once)


@pytest.mark.slow
def test_what_was_removed_does_not_gather(writer: IndexWriter) -> None:
    for number in range(40):
        commit(writer, number)
        if number >= 4:
            writer.catalog.remove_paths([f"/corpus/{number - 4:04d}.png".encode()])
        join_small(writer, SPEC.fingerprint)
        writer.refresh_ann(SPEC.fingerprint)
        assert len(writer.catalog.tombstones()) <= FEW
    assert sorted(stored(writer)) == [f"/corpus/{number:04d}.png" for number in range(36, 40)]


def test_segments_made_elsewhere_are_not_taken_for_each_other(writer: IndexWriter) -> None:
    for number in range(2 * FEW):
        commit(writer, number, device="cuda" if number % 2 else "cpu")
    join_small(writer, SPEC.fingerprint)
    joined = writer.catalog.segments()
    assert sorted((one.device, one.rows) for one in joined) == [("cpu", FEW), ("cuda", FEW)]
    with IndexReader(writer.folder.path) as reader:
        odd = {
            row[0]
            for row in reader.catalog.query(
                "SELECT s.structure % 2 FROM samples s JOIN embeddings e ON e.sample_id = s.id "
                "JOIN segments g ON g.id = e.segment WHERE g.device = 'cuda'"
            )
        }
    assert odd == {1.0}


def test_a_cached_index_is_kept_until_much_lies_beside_it(writer: IndexWriter) -> None:
    commit(writer, *range(200))
    first = writer.refresh_ann(SPEC.fingerprint)
    for number in range(200, 220):
        commit(writer, number)
        join_small(writer, SPEC.fingerprint)
        assert writer.refresh_ann(SPEC.fingerprint) == first
    with IndexReader(writer.folder.path) as reader:  # and what lies beside it is found
        scores, ids = reader.space().neighbours(VECTORS[210:211], 1)
        assert reader.catalog.samples(ids[0].tolist())[0].path == "/corpus/0210.png"
        assert len(reader.space().embeddings([])) == 0
    commit(writer, *range(220, 230))
    renewed = writer.refresh_ann(SPEC.fingerprint)
    assert renewed is not None and renewed.rows == 230
