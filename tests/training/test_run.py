"""Training resumes exactly, moves between input sizes, and exports what others can load."""

from __future__ import annotations

import json
from itertools import islice

import cv2
import numpy as np
import pytest
import torch
from transformers import ViTForImageClassification

from training.batches import Plan, StepViews, serve
from training.checkpoint import RunProgress, load
from training.evaluate import micro_precision, recall, windows
from training.export import export, read_exported
from training.model import (
    CopyViT,
    Shape,
    build,
    from_hugging_face,
    image_of,
    resize_positions,
    to_hugging_face,
)
from training.photos import draw_pictures, order_of, photo_paths, read_photos
from training.train import Schedule, Trainer

PLAN = Plan(pairs=4, size=32, ramp=100, seed=3)
CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def sources():
    return list(draw_pictures(6, seed=1))


def start(depth: int = 1) -> RunProgress:
    torch.manual_seed(0)
    return RunProgress.fresh(CopyViT(Shape(depth=depth, image=PLAN.size)).state_dict())


def steps(progress, sources, run, count):
    schedule = Schedule(rate=1e-3, warm_up=2, minutes=1e6, fall=0.0)
    trainer = Trainer(progress, schedule, PLAN, run, CPU)
    batches = serve(sources, PLAN, start=progress.step, workers=0)
    trainer.train(islice(batches, count), memory_limit=16)
    return load(run)


@pytest.mark.slow
def test_a_resumed_run_equals_an_unbroken_one(sources, tmp_path):
    whole = steps(start(), sources, tmp_path / "whole", 4)
    half = steps(start(), sources, tmp_path / "parts", 2)
    assert (half.step, half.views) == (2, 16)
    parts = steps(half, sources, tmp_path / "parts", 2)
    assert (parts.step, parts.views) == (4, 32)
    for name, tensor in whole.weights.items():
        assert torch.equal(tensor, parts.weights[name]), name
        assert torch.equal(whole.average[name], parts.average[name]), name
    assert torch.equal(whole.memory.tokens, parts.memory.tokens)
    assert not torch.equal(whole.weights["token"], start().weights["token"])


def test_a_kill_while_saving_leaves_the_last_checkpoint(sources, tmp_path, monkeypatch):
    before = steps(start(), sources, tmp_path, 1)

    def killed(value, path):
        path.write_bytes(b"half a file")
        raise KeyboardInterrupt

    monkeypatch.setattr(torch, "save", killed)
    with pytest.raises(KeyboardInterrupt):
        before.save(tmp_path)
    assert torch.equal(load(tmp_path).weights["token"], before.weights["token"])


def test_a_run_moves_to_another_size_with_its_moments(sources, tmp_path):
    progress = steps(start(), sources, tmp_path, 1).at_size(64)
    assert image_of(progress.weights) == image_of(progress.average) == 64
    assert progress.moments["positions"]["exp_avg"].shape == (1, 17, 384)


def test_batches_depend_on_seed_and_step_alone(sources):
    one, two = StepViews(sources, PLAN)[7], StepViews(sources, PLAN)[7]
    assert torch.equal(one.views, two.views)
    assert torch.equal(one.trace, two.trace)
    assert one.views.shape == (8, 32, 32, 3)
    assert not torch.equal(one.views, StepViews(sources, PLAN)[8].views)


def test_every_epoch_shows_every_picture_once():
    shown = [index for step in range(5) for index in order_of(step, 4, 10, seed=2)]
    assert sorted(shown[:10]) == list(range(10))
    assert sorted(shown[10:]) == list(range(10))
    assert shown[:10] != shown[10:]


def test_edits_grow_from_weak_to_full():
    assert PLAN.strength(0) == pytest.approx(0.1)
    assert PLAN.strength(6) == pytest.approx(0.1 + 0.9 * 48 / 100)
    assert PLAN.strength(1000) == 1.0


def test_the_rate_rises_stays_and_falls():
    schedule = Schedule(rate=1.0, warm_up=10, minutes=60, fall=10)
    assert schedule.rate_at(0, 0) == pytest.approx(0.1)
    assert schedule.rate_at(100, 30) == 1.0
    assert schedule.rate_at(100, 55) == pytest.approx(0.5)
    assert schedule.rate_at(100, 60) == pytest.approx(0.02)


def test_photographs_are_read_in_red_green_blue(tmp_path):
    red = np.zeros((100, 120, 3), np.uint8)
    red[..., 2] = 255  # OpenCV writes blue first
    cv2.imwrite(str(tmp_path / "a.png"), red)
    assert photo_paths(tmp_path) == [tmp_path / "a.png"]
    assert read_photos(tmp_path)[0][0][0, 0].tolist() == [255, 0, 0]
    with pytest.raises(ValueError, match="expected photographs"):
        read_photos(tmp_path / "nothing")


def test_names_survive_the_way_to_hugging_face_and_back():
    state = start(depth=2).weights
    back = from_hugging_face(to_hugging_face(state))
    assert back.keys() == state.keys()
    assert all(torch.equal(back[name], state[name]) for name in state)


def test_resized_positions_keep_the_class_token_and_constants():
    positions = torch.ones(1, 5, 3)
    positions[0, 0] = 7
    resized = resize_positions(positions, 64)
    assert resized.shape == (1, 17, 3)
    assert (resized[0, 0] == 7).all()
    assert torch.allclose(resized[0, 1:], torch.ones(16, 3))


def test_the_export_loads_strictly_and_computes_the_same(tmp_path):
    state = start(depth=2).weights
    export(state, tmp_path / "encoder")
    model, info = ViTForImageClassification.from_pretrained(
        tmp_path / "encoder", output_loading_info=True, dtype=torch.float32
    )
    assert not any(info[key] for key in ("missing_keys", "unexpected_keys", "mismatched_keys"))
    pixels = torch.rand(2, 3, 32, 32) * 2 - 1
    ours = build(read_exported(tmp_path / "encoder")).eval()(pixels)
    theirs = model.eval().vit(pixels).last_hidden_state
    assert torch.allclose(ours, theirs, atol=1e-4)
    preset = json.loads((tmp_path / "encoder" / "preprocessor_config.json").read_text())
    assert preset["size"] == {"height": 32, "width": 32}
    files = sorted(path.name for path in (tmp_path / "encoder").iterdir())
    assert files == ["config.json", "model.safetensors", "preprocessor_config.json"]


def test_micro_precision_mixes_all_queries():
    scores = np.array([[0.9, 0.1], [0.8, 0.2], [0.3, 0.7]], np.float32)
    # ranked: .9 right, .8 wrong (distractor), .7 right -> (1/1 + 2/3) / 2
    assert micro_precision(scores, np.array([0, -1, 1])) == pytest.approx(5 / 6)
    assert recall(scores, np.array([1, -1, 1]), 1) == pytest.approx(0.5)
    assert recall(scores, np.array([1, -1, 1]), 2) == 1.0


def test_windows_lie_inside_the_grid_and_reach_its_edges():
    for grid in (7, 10, 14):
        for rows, columns in windows(grid):
            assert 0 <= rows.start < rows.stop <= grid
            assert rows.stop - rows.start == columns.stop - columns.start
        assert max(rows.stop for rows, _ in windows(grid)) == grid
