"""Losses against values worked out by hand."""

from __future__ import annotations

import math

import pytest
import torch

from training.losses import (
    Memory,
    copy_loss,
    koleo_loss,
    matched_loss,
    patch_loss,
    pooled,
    region_loss,
    region_weights,
    threshold_loss,
)

EMPTY = Memory(torch.zeros(0, 2), torch.zeros(0, dtype=torch.long))
AXES = torch.eye(2)


def test_copy_loss_counts_every_other_row_as_negative():
    # rows: x, y, x, y; each has its partner at similarity 1 and two others at 0
    loss = copy_loss(AXES.repeat(2, 1), torch.tensor([5, 6]), EMPTY, 1.0)
    assert loss.item() == pytest.approx(-math.log(math.e / (math.e + 2)), rel=1e-6)


def test_copy_loss_leaves_out_the_same_picture_in_the_memory():
    same = Memory(AXES, torch.tensor([5, 6]))
    other = Memory(AXES, torch.tensor([7, 8]))
    rows, pictures = AXES.repeat(2, 1), torch.tensor([5, 6])
    alone = copy_loss(rows, pictures, EMPTY, 1.0).item()
    # (x, x-memory) is masked for picture 5; the orthogonal one adds a term e^0
    masked = -math.log(math.e / (math.e + 3))
    # unrelated memory adds e^1 and e^0
    full = -math.log(math.e / (math.e + 2 + math.e + 1))
    assert copy_loss(rows, pictures, same, 1.0).item() == pytest.approx(masked, rel=1e-6)
    assert copy_loss(rows, pictures, other, 1.0).item() == pytest.approx(full, rel=1e-6)
    assert alone < masked < full


def test_memory_forgets_the_oldest():
    memory = Memory(AXES, torch.tensor([1, 2])).pushed(-AXES, torch.tensor([3, 4]), 3)
    assert memory.pictures.tolist() == [3, 4, 1]
    assert memory.tokens[0].tolist() == [-1, 0]


def test_koleo_is_the_mean_log_distance_to_the_nearest():
    rows = torch.tensor([[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0]])
    expected = -math.log(math.sqrt(2) + 1e-4)
    assert koleo_loss(rows).item() == pytest.approx(expected, rel=1e-5)


def test_matched_loss_ignores_rows_of_the_same_group():
    same_place = torch.tensor([4, 4])
    assert matched_loss(AXES, AXES, same_place, 1.0).item() == pytest.approx(0.0, abs=1e-6)
    two = matched_loss(AXES, AXES, torch.tensor([4, 5]), 1.0).item()
    assert two == pytest.approx(-math.log(math.e / (math.e + 1)), rel=1e-6)


def test_matched_loss_of_one_row_is_zero_and_keeps_the_graph():
    row = AXES[:1].clone().requires_grad_()
    loss = matched_loss(row, row, torch.tensor([0]), 1.0)
    loss.backward()
    assert loss.item() == 0.0


def test_pooled_is_a_weighted_mean_of_unit_length():
    patches = torch.tensor([[[3.0, 0.0], [0.0, 4.0], [9.0, 9.0]]])
    assert pooled(patches, torch.tensor([[1.0, 1.0, 0.0]]))[0].tolist() == pytest.approx([0.6, 0.8])


def test_region_weights_mark_both_sides_of_a_trace():
    first, second = region_weights(torch.tensor([[-1, 2, 2, 0]]))
    assert first.tolist() == [[1, 0, 1, 0]]
    assert second.tolist() == [[0, 1, 1, 1]]


def test_region_loss_is_lowest_where_regions_agree():
    trace = torch.tensor([[0, 1, 2, 3], [0, 1, 2, 3]])
    good = AXES[:, None].expand(2, 5, 2).contiguous()
    agree = region_loss(good, good, trace, 0.1).item()
    disagree = region_loss(good, good.flip(0), trace, 0.1).item()
    assert agree == pytest.approx(math.log(1 + math.exp(-10)), rel=1e-2)
    assert disagree == pytest.approx(10 + agree, rel=1e-4)


def test_patch_loss_finds_traced_patches_and_skips_hidden_ones():
    first = torch.eye(4)[None]
    order = [2, 3, 0, 1]
    second = first[:, order]
    right, wrong = torch.tensor([order]), torch.tensor([[0, 1, 2, 3]])
    generator = torch.Generator().manual_seed(0)
    found = patch_loss(first, second, right, 0.1, each=4, generator=generator).item()
    missed = patch_loss(first, second, wrong, 0.1, each=4, generator=generator).item()
    assert found < 0.001
    assert missed > 9
    hidden = torch.full((1, 4), -1)
    assert patch_loss(first, second, hidden, 0.1, each=2, generator=generator).item() == 0.0


def test_threshold_loss_wants_copies_above_and_all_else_below():
    pictures = torch.tensor([5, 6])
    # each row: its copy at 1, two others at 0, the threshold half way, temperature a half
    good = threshold_loss(AXES.repeat(2, 1), pictures, 0.5, 0.5).item()
    assert good == pytest.approx(3 * math.log(1 + math.exp(-1)), rel=1e-6)
    crossed = threshold_loss(torch.cat([AXES, AXES.flip(0)]), pictures, 0.5, 0.5).item()
    # the copy at 0, one other at 1 and one at 0
    wrong = 2 * math.log(1 + math.e) + math.log(1 + math.exp(-1))
    assert crossed == pytest.approx(wrong, rel=1e-6)


def test_threshold_loss_leaves_out_the_same_picture():
    rows = torch.tensor([[1.0, 0.0], [1.0, 0.0]]).repeat(2, 1)
    same = threshold_loss(rows, torch.tensor([5, 5]), 0.5, 0.5).item()
    assert same == pytest.approx(math.log(1 + math.exp(-1)), rel=1e-6)
