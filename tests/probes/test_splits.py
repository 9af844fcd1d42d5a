import numpy as np
import pytest

from indexer.errors import UsageError
from probes.choices import SplitBy
from probes.grouping import grouped
from probes.splits import folds_by_group, inner_folds, leave_one_out
from tests.probes.points import dataset, halves, record

NAMES = ("real", "fake")


def test_a_group_is_never_on_both_sides() -> None:
    y = np.tile([0, 1], 30)
    groups = np.repeat(np.arange(15), 4)
    folds = folds_by_group(y, groups, NAMES)
    assert len(folds) == 5
    for train, test in folds:
        assert not set(groups[train]) & set(groups[test])
        assert set(y[train]) == set(y[test]) == {0, 1}
    assert sorted(np.concatenate([test for _, test in folds])) == list(range(60))


def test_the_same_seed_makes_the_same_folds() -> None:
    y, groups = np.tile([0, 1], 30), np.arange(60)
    one, same, other = (folds_by_group(y, groups, NAMES, seed=seed) for seed in (1, 1, 2))
    assert all((a[1] == b[1]).all() for a, b in zip(one, same, strict=True))
    assert any((a[1] != b[1]).any() for a, b in zip(one, other, strict=True))


def test_a_class_of_one_group_cannot_be_split() -> None:
    y, groups = np.array([0, 0, 1, 1]), np.array(["a", "b", "c", "c"])
    with pytest.raises(UsageError, match="at least 2 groups of fake to split by, got 1"):
        folds_by_group(y, groups, NAMES)
    assert inner_folds(y, groups) == []


def test_a_generator_is_left_out_with_its_share_of_real_pictures() -> None:
    y = np.array([0] * 9 + [1] * 6)
    held = np.array(["real"] * 9 + ["gan"] * 2 + ["flow"] * 4)
    groups = np.array([f"g{n // 3}" for n in range(9)] + [f"f{n}" for n in range(6)])
    folds = leave_one_out(y, held, groups)
    assert [set(held[test][y[test] == 1]) for _, test in folds] == [{"flow"}, {"gan"}]
    for train, test in folds:
        assert not set(held[train][y[train] == 1]) & set(held[test][y[test] == 1])
        assert not set(groups[train]) & set(groups[test])
        assert (y[test] == 0).any()
        assert (y[train] == 0).any()


def test_the_coarsest_grouping_that_can_be_split_is_taken() -> None:
    many = [
        record(n, label, source=f"{label}-{n % 4}", group=f"{label}-{n % 9}")
        for n, label in enumerate(["real"] * 20 + ["fake"] * 20)
    ]
    assert grouped(dataset(many), (), SplitBy.AUTO).by is SplitBy.SOURCE
    two = [
        record(n, label, source=label, group=f"{label}-{n % 9}")
        for n, label in enumerate(["real"] * 20 + ["fake"] * 20)
    ]
    assert grouped(dataset(two), (), SplitBy.AUTO).by is SplitBy.GROUP
    assert grouped(dataset(halves(5)), (), SplitBy.AUTO).by is SplitBy.CONTENT
    assert grouped(dataset(two), (), SplitBy.CONTENT).by is SplitBy.CONTENT


def test_frames_of_one_file_are_one_group() -> None:
    frames = [record(1, "real"), record(2, "fake")]
    frames.append(type(frames[0])(**{**vars(frames[0]), "id": 3}))
    groups = grouped(dataset(frames), (), SplitBy.AUTO).groups
    assert groups[0] == groups[2] != groups[1]


def test_of_near_duplicates_of_one_class_the_later_is_removed() -> None:
    found = grouped(dataset(halves(4)), [(1, 3), (3, 4), (6, 8)], SplitBy.AUTO)
    # 3 is a copy of 1; 4 is one of 3, which is gone, so it stays
    assert [one.id for one in found.removed] == [3, 8]
    assert [one.id for one in found.kept_for] == [1, 6]
    assert found.dataset.ids.tolist() == [1, 2, 4, 5, 6, 7]
    assert len(found.groups) == 6


def test_an_original_and_its_manipulated_version_stay_together() -> None:
    found = grouped(dataset(halves(3)), [(2, 5)], SplitBy.AUTO)
    assert found.removed == ()
    assert found.joined == 1
    groups = dict(zip(found.dataset.ids.tolist(), found.groups, strict=True))
    assert groups[2] == groups[5]
    assert len(set(groups.values())) == 5


def test_near_duplicates_of_one_group_may_stay() -> None:
    pair = [record(n, "real", group="one") for n in (1, 2)] + [record(3, "fake")]
    assert grouped(dataset(pair), [(1, 2)], SplitBy.GROUP).removed == ()
