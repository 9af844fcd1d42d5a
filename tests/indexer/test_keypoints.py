from __future__ import annotations

import numpy as np
from PIL import Image, ImageOps

from indexer.keypoints import (
    COUNT,
    ROW_BYTES,
    WORDS,
    Keypoints,
    detector,
    keypoints,
    spread,
    vocabulary,
)
from indexer.store.vectors.keypoint_index import KeypointIndex
from indexer.store.vectors.keypoint_lists import KeypointLists
from search.keypoint_votes import FEWEST, query_keypoints, votes


def blobs(seed: int, size: tuple[int, int] = (400, 300)) -> Image.Image:
    """Return a picture of overlapping rectangles: corners everywhere, no two seeds alike."""
    rng = np.random.default_rng(seed)
    pixels = np.full((size[1], size[0], 3), 128, np.uint8)
    for _ in range(150):
        x, y = rng.integers(0, size[0]), rng.integers(0, size[1])
        width, height = rng.integers(8, 60, size=2)
        pixels[y : y + height, x : x + width] = rng.integers(0, 256, size=3)
    return Image.fromarray(pixels)


def test_row_keeps_all_that_matters() -> None:
    found = keypoints(blobs(1))
    row = found.to_row()
    again = Keypoints.from_row(row)
    assert row.shape == (ROW_BYTES,) and 100 < len(found) <= COUNT
    assert np.array_equal(again.codes, found.codes)
    assert np.array_equal(again.words, found.words)
    np.testing.assert_allclose(again.points, found.points, atol=1 / 65535)
    np.testing.assert_allclose(again.sizes, found.sizes, rtol=0.03)
    turned = (again.angles - found.angles + 180) % 360 - 180
    assert np.abs(turned).max() <= 0.71  # half of 360 / 256


def test_pictures_without_room_have_no_keypoints() -> None:
    for size in ((1, 1), (5000, 3), (3, 5000), (10, 10)):
        found = keypoints(Image.new("RGB", size, "white"))
        assert len(found) == 0
        assert len(Keypoints.from_row(found.to_row())) == 0
    assert len(keypoints(Image.new("RGB", (300, 300), "gray"))) == 0


def test_words_are_the_nearest_leaf_of_the_nearest_trunk() -> None:
    tree, codes = vocabulary(), keypoints(blobs(2)).codes[:40]

    def nearest(code: np.ndarray, centres: np.ndarray) -> int:
        return int(np.unpackbits(code ^ centres, axis=1).sum(axis=1).argmin())

    expected = []
    for code in codes:
        trunk = nearest(code, tree.trunks)
        expected.append(trunk * 64 + nearest(code, tree.leaves[trunk]))
    assert tree.words(codes).tolist() == expected
    assert tree.centres.shape == (WORDS, 32)


def index_of(ids: np.ndarray, rows: np.ndarray) -> KeypointIndex:
    return KeypointIndex([KeypointLists.build([(ids, rows)])])


def test_index_compares_as_exhaustive_search_does_where_it_looks() -> None:
    rows = np.stack([keypoints(blobs(seed)).to_row() for seed in range(6)])
    index = index_of(np.arange(10, 16), rows)
    query = keypoints(blobs(3))
    matches = index.search(query, 1)
    best = matches.distances == 0
    assert set(matches.query[best].tolist()) == set(range(len(query)))
    assert (matches.samples[best] == 13).mean() > 0.95  # a code may occur twice
    codes = {seed: Keypoints.from_row(row).codes for seed, row in enumerate(rows)}
    for place in range(0, len(query), 25):
        own = matches.query == place
        code = query.codes[place]
        there = codes[int(matches.samples[own][0]) - 10]
        distances = np.unpackbits(there ^ code, axis=1).sum(axis=1)
        assert matches.distances[own][0] in distances


def test_votes_find_a_part_turned_and_made_smaller() -> None:
    rows = np.stack([keypoints(blobs(seed)).to_row() for seed in range(8)])
    index = index_of(np.arange(8), rows)
    part = blobs(5).crop((120, 60, 330, 260)).rotate(90, expand=True).resize((160, 168))
    found = votes(keypoints(part), index)
    assert max(found, key=found.__getitem__) == 5
    assert found[5] > 3 * max([FEWEST, *(value for one, value in found.items() if one != 5)])
    only = votes(keypoints(part), index, allowed=np.array([1, 2]))
    assert set(only) <= {1, 2}


def test_a_mirrored_picture_is_found_by_the_second_reading() -> None:
    rows = np.stack([keypoints(blobs(seed)).to_row() for seed in range(4)])
    index = index_of(np.arange(4), rows)
    plain, mirrored = query_keypoints(ImageOps.mirror(blobs(2)))
    assert votes(mirrored, index)[2] > 10 * votes(plain, index).get(2, FEWEST)


def test_an_empty_index_or_query_finds_nothing() -> None:
    assert votes(keypoints(blobs(1)), KeypointIndex([])) == {}
    rows = keypoints(blobs(1)).to_row()[None]
    assert votes(Keypoints.none(), index_of(np.array([1]), rows)) == {}


def test_text_does_not_take_all_keypoints() -> None:
    """Half of them are the strongest of their cell: what is faint below bold letters has some."""
    rng = np.random.default_rng(0)
    faint = 128 + 12 * rng.standard_normal((300, 400))
    letters = 255.0 * (rng.random((5, 33)) < 0.5)
    faint[:60, :396] = np.kron(letters, np.ones((12, 12)))
    image = Image.fromarray(np.clip(faint, 0, 255).astype(np.uint8)).convert("RGB")
    found = keypoints(image)
    assert 200 < len(found) <= COUNT
    below = np.mean(found.points[:, 1] * 400 > 80)
    plain = detector(COUNT).detect(np.asarray(image.convert("L")), None)
    below_of_plain = np.mean([point.pt[1] > 80 for point in plain])
    assert below > 1.5 * below_of_plain


def test_points_are_spread_by_hand_count() -> None:
    """Of nine points two are the strongest; then each cell gives its own best in turn."""
    points = np.array(
        [(1, 1), (2, 2), (3, 3), (4, 4), (5, 5), (90, 90), (91, 91), (90, 1), (1, 90)], np.float32
    )
    strengths = np.array([9, 8, 7, 6, 5, 1.0, 0.5, 2, 3], np.float32)
    assert spread(points, strengths, (100, 100), 4).tolist() == [0, 1, 2, 8]
    assert spread(points, strengths, (100, 100), 6).tolist() == [0, 1, 2, 3, 8, 7]
    assert sorted(spread(points, strengths, (100, 100), 20).tolist()) == list(range(9))


def test_the_query_itself_in_the_index_does_not_hide_its_copies() -> None:
    """Its own keypoints lie at distance 0, those of a changed copy farther than any slack."""
    whole = blobs(7)
    query = keypoints(whole)
    noise = np.random.default_rng(0).normal(0, 30, (300, 400, 3))
    changed = Image.fromarray(np.clip(np.asarray(whole) + noise, 0, 255).astype(np.uint8))
    rows = np.stack([one.to_row() for one in (query, keypoints(changed), keypoints(blobs(8)))])
    index = index_of(np.array([1, 2, 3]), rows)
    hidden = votes(query, index).get(2, 0.0)
    found = votes(query, index, besides=[1])
    assert max(found, key=lambda one: found[one]) == 2
    assert found[2] > 3 * max(hidden, FEWEST)


def test_pictures_that_a_filter_leaves_out_do_not_hide_those_it_lets_through() -> None:
    """Twenty copies that are nearer than the one that is allowed: its votes are as without them."""
    whole = blobs(7)
    noise = np.random.default_rng(0).normal(0, 30, (300, 400, 3))
    changed = Image.fromarray(np.clip(np.asarray(whole) + noise, 0, 255).astype(np.uint8))
    query = keypoints(whole)
    rows = np.stack([query.to_row()] * 20 + [keypoints(changed).to_row()])
    allowed = np.array([20])
    crowded = votes(query, index_of(np.arange(21), rows), allowed=allowed)
    alone = votes(query, index_of(allowed, rows[-1:]))
    assert crowded == alone
    assert crowded[20] > 3 * FEWEST
