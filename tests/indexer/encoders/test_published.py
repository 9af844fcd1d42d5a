"""Encoders named by where they are published, and the tower of the one whose head is unknown."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from indexer.encoders import dfd_clip, fetch, model_cache
from indexer.encoders.own_head import require_head
from indexer.encoders.registry import load, show, with_heads
from indexer.errors import EncoderError, WeightsError
from indexer.types import Layout
from tests.indexer.encoders.test_backbones import tower, write_timm, write_tower

PICTURES = np.random.default_rng(0).integers(0, 256, (1, 32, 32, 3), np.uint8)


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(model_cache.ENVIRONMENT, str(tmp_path / "models"))
    return tmp_path / "models"


def test_a_timm_name_is_its_hub_repository(tmp_path: Path) -> None:
    name = "timm:vit_small_patch16_224.some_tag"
    assert show(name).source == "timm/vit_small_patch16_224.some_tag"
    with pytest.raises(EncoderError, match=f"dfindex models fetch {name}"):
        load(name)
    write_timm(tmp_path / "timm", "vit_small_patch16_224", depth=2, patch_size=8)
    fetch.fetch(show(name), from_folder=tmp_path / "timm")
    encoder = load(name, device="cpu", precision="fp32")
    assert (encoder.spec.name, encoder.spec.source) == (name, show(name).source)
    direct = load(tmp_path / "timm", device="cpu", precision="fp32")
    assert encoder.spec.fingerprint == direct.spec.fingerprint
    assert np.array_equal(encoder.encode(PICTURES).cls, direct.encode(PICTURES).cls)


def test_an_hf_name_is_pinned_and_held_to_what_was_fetched(tmp_path: Path, home: Path) -> None:
    for name in ("hf:owner/repo", "hf:repo@abc", "hf:owner/repo@"):
        with pytest.raises(EncoderError, match="expected hf:OWNER/REPO@REVISION"):
            show(name)
    name = "hf:owner/repo@0123456"
    write_tower(tmp_path / "dino", "dinov2")
    fetch.fetch(show(name), from_folder=tmp_path / "dino")
    assert load(name, device="cpu").spec.source == "owner/repo@0123456"
    folder = model_cache.cache_folder(name)
    assert folder.parent == home
    path = folder / "model.safetensors"
    save_file({k: v + 1 for k, v in load_file(path).items()}, path, metadata={"format": "pt"})
    with pytest.raises(WeightsError, match="expected weights with SHA-256"):
        load(name, device="cpu")


def checkpoint(*, layers: int = 2) -> tuple[Any, dict[str, torch.Tensor]]:
    """Return a small CLIP tower, and its tensors among those of somebody's adapters."""
    model = tower("clip_vision_model", projection_dim=48)
    bare = {key.removeprefix("vision_model."): value for key, value in model.state_dict().items()}
    named = {f"backbone.vision_model.{key}": value for key, value in bare.items()}
    named |= {"adapters.0.down.weight": torch.ones(4, 48), "head.weight": torch.ones(2, 48)}
    return model, named


def test_the_frozen_tower_of_dfd_clip_becomes_an_encoder_and_no_detector(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dfd_clip, "READS", 48)
    monkeypatch.setattr(dfd_clip, "HEAD_WIDTH", 16)
    monkeypatch.setattr(dfd_clip.take_tower, "__kwdefaults__", {"layers": 2})
    with pytest.raises(EncoderError, match="design is not public"):
        load("dfd-clip")
    model, tensors = checkpoint()
    source = tmp_path / "source"
    source.mkdir()
    torch.save({"model_state_dict": tensors}, source / "pytorch_model.bin")
    fetch.fetch(show("dfd-clip"), from_folder=source)
    left = json.loads((model_cache.cache_folder("dfd-clip") / dfd_clip.LEFT_OVER).read_text())
    assert left == {"adapters.0.down.weight": [4, 48], "head.weight": [2, 48]}
    encoder: Any = load("dfd-clip", device="cpu", precision="fp32")
    # Pictures of 48 px on a table for 32: positions are interpolated, as for 384 on 224.
    pictures = np.random.default_rng(0).integers(0, 256, (1, 48, 48, 3), np.uint8)
    got = encoder.encode(pictures)
    assert got.patches.shape == (1, 36, 48) and encoder.spec.patch_grid == (6, 6)
    model.config.hidden_act = "quick_gelu"
    with torch.no_grad():
        pixels = encoder.pixels_of(pictures)
        own = model(pixel_values=pixels, interpolate_pos_encoding=True).pooler_output
    assert np.abs(got.cls - own.numpy()).max() < 1e-5
    assert encoder.spec.layout is Layout.CLIP and encoder.spec.name == "dfd-clip"
    with pytest.raises(EncoderError, match="dfd-clip, which has none"):
        require_head(encoder.spec, having=", ".join(with_heads()))


def test_a_tower_that_is_not_whole_is_refused(tmp_path: Path) -> None:
    _, tensors = checkpoint()
    with pytest.raises(WeightsError, match="a CLIP tower.*24 layers, got 2"):
        _convert(tensors, tmp_path, layers=24)
    missing = {k: v for k, v in tensors.items() if "post_layernorm.bias" not in k}
    with pytest.raises(WeightsError, match="1 missing"):
        _convert(missing, tmp_path, layers=2)
    with pytest.raises(WeightsError, match="adapters.0.down.weight"):
        _convert({k: v for k, v in tensors.items() if "vision" not in k}, tmp_path, layers=2)
    assert not (tmp_path / "out").exists()


def _convert(tensors: dict[str, torch.Tensor], folder: Path, *, layers: int) -> None:
    source = folder / "source"
    shutil.rmtree(source, ignore_errors=True)
    source.mkdir()
    save_file({k: v.contiguous() for k, v in tensors.items()}, source / "model.safetensors")
    dfd_clip.take_tower(source, folder / "out", layers=layers)
