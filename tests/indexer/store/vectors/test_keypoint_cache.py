"""Keypoint lists on disk answer as those in memory do, whatever was joined, removed or damaged."""

from __future__ import annotations

import random
import resource
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from indexer.errors import StoreError
from indexer.keypoints import CODE_BYTES, COUNT, Keypoints, vocabulary
from indexer.store.vectors.keypoint_cache import KeypointCache
from indexer.store.vectors.keypoint_index import KeypointIndex, KeypointMatches
from indexer.store.vectors.keypoint_lists import KeypointLists
from indexer.types import Int64, UInt8
from tests.marks import mostly_slow

SAMPLES = 96


def drawn(seed: int, count: int = COUNT) -> Keypoints:
    """Return keypoints of no picture, with the words that their codes have."""
    rng = np.random.default_rng(seed)
    centres = vocabulary().centres
    codes = centres[rng.integers(0, len(centres), count)]
    codes = codes ^ np.packbits(rng.random((count, 8 * CODE_BYTES)) < 0.1, axis=1)
    return Keypoints(
        codes=codes,
        points=rng.random((count, 2), np.float32),
        sizes=(0.02 + 0.2 * rng.random(count)).astype(np.float32),
        angles=(360 * rng.random(count)).astype(np.float32),
        words=vocabulary().words(codes),
    )


@pytest.fixture(scope="module")
def rows() -> UInt8:
    return np.stack([drawn(seed).to_row() for seed in range(SAMPLES)])


@pytest.fixture
def read(rows: UInt8) -> Callable[[Int64], Iterator[tuple[Int64, UInt8]]]:
    """Yield ids and rows as a space does; the ids are places in ``rows``."""

    def batches(ids: Int64) -> Iterator[tuple[Int64, UInt8]]:
        for some in np.array_split(ids, 3):
            yield some, rows[some]

    return batches


def told(found: KeypointMatches) -> set[tuple[object, ...]]:
    """Return pairs; which of several that are the farthest were taken is left open."""
    farthest = np.zeros(COUNT, dtype=np.int64)
    np.maximum.at(farthest, found.query, found.distances)
    sure = found.distances < farthest[found.query]
    columns = (found.query, found.samples, found.distances, found.sizes, found.angles)
    assert sure.any()
    return set(zip(*(each[sure].tolist() for each in columns), strict=True))


def everything(cache: KeypointCache, live: Int64, query: Keypoints) -> set[tuple[object, ...]]:
    return told(KeypointIndex(cache.parts(live), live).search(query, 3))


def in_memory(
    ids: Int64, rows: UInt8, query: Keypoints, *, fine: bool = False
) -> set[tuple[object, ...]]:
    lists = KeypointLists.build([(ids, rows[ids])], fine=fine)
    return told(KeypointIndex([lists]).search(query, 3))


def test_entries_keep_what_voting_needs(rows: UInt8) -> None:
    """Each keypoint finds itself, at its place, size and angle."""
    index = KeypointIndex([KeypointLists.build([(np.array([7, 9]), rows[[0, 1]])])])
    query = Keypoints.from_row(rows[1])
    found = index.search(query, 1)
    assert found.query.tolist() == list(range(COUNT))
    assert set(found.samples.tolist()) == {9}
    assert not found.distances.any()
    assert np.abs(found.points - query.points).max() <= 0.5 / 1024 + 1e-6
    assert np.allclose(np.log2(found.sizes / query.sizes), 0, atol=1 / 32)
    turned = (found.angles - query.angles + 180) % 360 - 180
    assert np.abs(turned).max() <= 0.71


@pytest.mark.parametrize(
    ("worth", "fine"),
    mostly_slow([(4, 999), (10, 999), (100, 1), (4, 30), (10, 1)], quick=2),
)
def test_parts_that_were_added_and_joined_answer_as_one(
    tmp_path: Path, rows: UInt8, read: Callable[..., object], worth: int, fine: int
) -> None:
    """Whether their lists are of words, of twigs, or first of the one and then of the other."""
    cache = KeypointCache(tmp_path / "keypoints", worth=worth, fine=fine)
    query = Keypoints.from_row(rows[50])
    for count in (*range(8, SAMPLES, 11), SAMPLES):
        live = np.arange(count)
        cache.refresh(live, read)
        parts = cache.parts(live)
        held = np.concatenate([np.empty(0, np.int64), *(one.ids for one in parts)])
        assert len(held) == len(set(held.tolist()))
        assert count - len(held) < worth  # the rest, which readers keep in memory
        assert len(parts) <= 12
        if len(held) == count:
            got = everything(cache, live, query)
            by_words, by_twigs = (in_memory(live, rows, query, fine=one) for one in (False, True))
            if fine in (1, 999):
                assert got == (by_twigs if fine == 1 else by_words)
            own = {one for one in by_words if one[2] == 0}
            assert len(own) == (COUNT if count > 50 else 0)
            assert len(own & got) >= 0.95 * len(own)  # a word may not be among those read
    assert cache.problems() == []
    files = list((tmp_path / "keypoints").glob("*"))
    assert len(files) == 3 * len({path.stem for path in files})


def test_what_is_not_live_is_not_found_and_not_kept_for_long(
    tmp_path: Path, rows: UInt8, read: Callable[..., object]
) -> None:
    cache = KeypointCache(tmp_path, worth=8)
    cache.refresh(np.arange(40), read)
    live = np.arange(3, 40)  # less than an eighth was removed
    query = Keypoints.from_row(rows[1])
    assert everything(cache, live, query) == in_memory(live, rows, query)
    cache.refresh(live, read)
    assert any(1 in part.ids for part in cache.parts(live))
    cache.refresh(live, read, thorough=True)
    assert not any(1 in part.ids for part in cache.parts(live))
    code = rows[1][2 : 2 + CODE_BYTES].tobytes()
    assert not any(code in path.read_bytes() for path in tmp_path.iterdir())
    fewer = np.arange(20, 40)
    cache.refresh(fewer, read)
    assert set(np.concatenate([part.ids for part in cache.parts(fewer)])) == set(range(20, 40))


def test_samples_without_keypoints_are_not_read_again(
    tmp_path: Path, rows: UInt8, read: Callable[..., object]
) -> None:
    asked: list[int] = []

    def some(ids: Int64) -> Iterator[tuple[Int64, UInt8]]:
        asked.extend(ids.tolist())
        yield ids[:5], rows[ids[:5]]

    cache = KeypointCache(tmp_path, worth=8)
    cache.refresh(np.arange(20), some)
    cache.refresh(np.arange(20), some, thorough=True)
    assert asked == list(range(20))


@pytest.mark.parametrize("suffix", [".json", ".ids", ".lists"])
@pytest.mark.parametrize("harm", ["flip", "cut", "delete"])
def test_damage_is_seen_and_changes_no_answer(
    tmp_path: Path, rows: UInt8, read: Callable[..., object], suffix: str, harm: str
) -> None:
    cache, live = KeypointCache(tmp_path, worth=8), np.arange(24)
    cache.refresh(live, read)
    assert len(cache.parts(live)) == 1
    path = next(tmp_path.glob(f"*{suffix}"))
    data = bytearray(path.read_bytes())
    if harm == "delete":
        path.unlink()
    else:
        data[100] ^= 4  # in the head of the lists, which says where each begins
        path.write_bytes(data if harm == "flip" else data[: len(data) // 2])
    assert cache.parts(live) == []  # a reader makes them anew of the segments
    if (suffix, harm) != (".json", "delete"):
        assert cache.problems()
    cache.refresh(live, read)
    assert cache.problems() == []
    query = Keypoints.from_row(rows[9])
    assert everything(cache, live, query) == in_memory(live, rows, query)


@pytest.mark.slow
def test_a_flip_in_a_list_ends_no_search_and_is_seen_by_the_doctor(
    tmp_path: Path, rows: UInt8, read: Callable[..., object]
) -> None:
    cache, live = KeypointCache(tmp_path, worth=8), np.arange(24)
    cache.refresh(live, read)
    path = next(tmp_path.glob("*.lists"))
    original = path.read_bytes()
    rng, query = random.Random(3), Keypoints.from_row(rows[9])
    expected = in_memory(live, rows, query)
    for _ in range(60):
        data = bytearray(original)
        for _ in range(200):
            data[rng.randrange(len(data) - 24 * COUNT * 40, len(data))] ^= 1 << rng.randrange(8)
        path.write_bytes(data)
        found = KeypointIndex(cache.parts(live), live).search(query, 3)
        assert set(found.samples.tolist()) <= set(range(24))
        assert len(told(found) & expected) > 0.9 * len(expected)
        assert len(cache.problems()) == 1


def test_a_reader_opens_what_a_writer_has_just_joined(
    tmp_path: Path, rows: UInt8, read: Callable[..., object]
) -> None:
    """What was opened stays readable, and what is opened anew is whole."""
    cache = KeypointCache(tmp_path, worth=8)
    query = Keypoints.from_row(rows[30])
    for count in (16, 32, 48):
        cache.refresh(np.arange(count), read)
    live = np.arange(48)
    before = cache.parts(live)
    assert len(before) == 3
    cache.refresh(np.arange(64), read)
    assert len(cache.parts(np.arange(64))) == 1
    assert told(KeypointIndex(before, live).search(query, 3)) == in_memory(live, rows, query)


def test_threads_that_ask_for_more_and_for_less_do_not_disturb_each_other(rows: UInt8) -> None:
    lists = KeypointLists.build([(np.arange(SAMPLES), rows)], fine=True)
    codes = Keypoints.from_row(rows[3]).codes
    own = vocabulary().lists(codes, Keypoints.from_row(rows[3]).words.astype(np.int64))[:, None]
    few = np.where(np.arange(2) == 0, own, 0)
    many = np.where(np.arange(900) == 899, own, np.arange(900))

    def nearest(asked: Int64, most: int) -> list[int]:
        found, _ = lists.search(codes, 1, asked, np.zeros_like(asked), first=0, most=most)
        return found[:, 0].tolist()  # type: ignore[no-any-return]

    with ThreadPoolExecutor(4) as threads:
        answers = [threads.submit(nearest, many if at % 2 else few, 1 << 30) for at in range(40)]
        assert all(one.result() == [0] * COUNT for one in answers)
    assert max(nearest(many, 1)) > 0  # the last list is not read any more


def test_a_write_that_fails_leaves_the_lists_of_before(
    tmp_path: Path, rows: UInt8, read: Callable[..., object]
) -> None:
    cache = KeypointCache(tmp_path, worth=8)
    cache.refresh(np.arange(16), read)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 16, before[1]))
    try:
        with pytest.raises(StoreError, match="could not write"):
            cache.refresh(np.arange(32), read)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert [len(part.ids) for part in cache.parts(np.arange(32))] == [16]
    assert len(list(tmp_path.iterdir())) == 3


def test_damage_is_not_joined_into_what_passes_for_whole(
    tmp_path: Path, rows: UInt8, read: Callable[..., object]
) -> None:
    cache, live = KeypointCache(tmp_path, worth=8), np.arange(64)
    for count in (16, 32, 48):
        cache.refresh(np.arange(count), read)
    path = min(tmp_path.glob("*.lists"))
    data = bytearray(path.read_bytes())
    data[-2] ^= 255  # a row that none of its samples has, but one of those that come after might
    path.write_bytes(data)
    cache.refresh(live, read)
    assert cache.problems() == []
    query = Keypoints.from_row(rows[9])
    assert everything(cache, live, query) == in_memory(live, rows, query)
    assert set(np.concatenate([part.ids for part in cache.parts(live)])) == set(range(64))


def test_no_part_grows_beyond_what_is_full(
    tmp_path: Path, rows: UInt8, read: Callable[..., object]
) -> None:
    cache = KeypointCache(tmp_path, worth=8, full=40)
    for count in range(8, SAMPLES + 1, 8):
        cache.refresh(np.arange(count), read)
        parts = cache.parts(np.arange(count))
        assert max(len(part.ids) for part in parts) <= 40
        assert sum(len(part.ids) for part in parts) == count


def test_a_file_that_may_not_be_read_is_made_up_for_by_the_segments(
    tmp_path: Path, rows: UInt8, read: Callable[..., object]
) -> None:
    cache, live = KeypointCache(tmp_path, worth=8), np.arange(24)
    cache.refresh(live, read)
    path = next(tmp_path.glob("*.ids"))
    path.unlink()
    path.mkdir()
    assert cache.parts(live) == []
