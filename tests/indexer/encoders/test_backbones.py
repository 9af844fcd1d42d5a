"""Backbones of other designs: their own outputs, registers left out, strictness kept."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from indexer.encoders.attention import attend
from indexer.encoders.registry import load
from indexer.errors import EncoderError, WeightsError
from indexer.types import Head, Layout
from tests.marks import mostly_slow

PROCESSOR = {
    "size": {"shortest_edge": 36},
    "crop_size": {"height": 32, "width": 32},
    "do_center_crop": True,
    "resample": 3,
    "image_mean": [0.5, 0.5, 0.5],
    "image_std": [0.5, 0.5, 0.5],
}
SIZES = {
    "hidden_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 3,
    "intermediate_size": 96,
    "image_size": 32,
    "patch_size": 8,
}
KINDS = {
    "dinov2": {},
    "dinov2_with_registers": {"num_register_tokens": 4},
    "dinov3_vit": {"num_register_tokens": 4},
    "clip_vision_model": {},
    "siglip_vision_model": {},
}


def tower(kind: str, **changes: Any) -> Any:
    from transformers import AutoModel, CLIPVisionModel, SiglipVisionModel
    from transformers.models.auto.configuration_auto import AutoConfig

    torch.manual_seed(0)
    config = AutoConfig.for_model(kind, **SIZES, **KINDS[kind], **changes)
    classes = {"clip_vision_model": CLIPVisionModel, "siglip_vision_model": SiglipVisionModel}
    model = classes[kind](config) if kind in classes else AutoModel.from_config(config)
    for tensor in model.parameters():
        tensor.data += 0.1 * torch.randn(tensor.shape)
    return model.eval()


def write_tower(folder: Path, kind: str, **changes: Any) -> Any:
    model = tower(kind, **changes)
    model.save_pretrained(folder)
    (folder / "preprocessor_config.json").write_text(json.dumps(PROCESSOR))
    return model


@pytest.mark.parametrize("kind", KINDS)
def test_a_tower_gives_its_own_outputs(tmp_path: Path, kind: str) -> None:
    model = write_tower(tmp_path / kind, kind)
    encoder: Any = load(tmp_path / kind, device="cpu", precision="fp32")
    pictures = np.random.default_rng(0).integers(0, 256, (2, 32, 32, 3), np.uint8)
    got = encoder.encode(pictures)
    with torch.no_grad():
        own = model(pixel_values=encoder.pixels_of(pictures))
    assert encoder.spec.head is Head.NONE and got.logits is None
    assert got.patches.shape == (2, 16, 48) and encoder.spec.patch_grid == (4, 4)
    registers = KINDS[kind].get("num_register_tokens", 0)
    if kind == "siglip_vision_model":  # pools by attention, has no class token
        expected, patches = own.pooler_output, own.last_hidden_state
    elif kind == "clip_vision_model":  # norms the class token alone
        norm = getattr(model, "vision_model", model).post_layernorm
        expected = own.pooler_output
        patches = norm(own.last_hidden_state)[:, 1:].detach()
    else:
        expected = own.last_hidden_state[:, 0]
        patches = own.last_hidden_state[:, 1 + registers :]
    assert np.abs(got.cls - expected.numpy()).max() < 1e-5
    assert np.abs(got.patches - patches.numpy()).max() < 1e-5
    seen = attend(encoder, pictures[0])
    tokens = 16 if kind == "siglip_vision_model" else 17 + registers
    assert seen.maps.shape == (2, tokens, tokens) and seen.prefix == tokens - 16
    assert np.allclose(seen.maps.sum(axis=2), 1, atol=1e-5)


def write_timm(folder: Path, name: str, **arguments: Any) -> Any:
    """Save a small timm model as its hub does: architecture, arguments, pretrained_cfg."""
    import timm

    torch.manual_seed(0)
    model = timm.create_model(name, pretrained=False, img_size=32, num_classes=0, **arguments)
    folder.mkdir(parents=True)
    state = {key: tensor.contiguous() for key, tensor in model.state_dict().items()}
    save_file(state, folder / "model.safetensors")
    cfg = {"input_size": [3, 32, 32], "mean": [0.5] * 3, "std": [0.5] * 3, "crop_pct": 0.9}
    config = {"architecture": name, "num_classes": 0, "pretrained_cfg": cfg}
    (folder / "config.json").write_text(json.dumps(config | {"model_args": arguments}))
    return model.eval()


@pytest.mark.parametrize(
    ("name", "prefix"),
    mostly_slow(
        [
            ("vit_small_patch16_224", 1),
            ("vit_small_patch14_reg4_dinov2", 5),
            ("vit_base_patch16_clip_quickgelu_224", 1),
            ("vit_base_patch16_siglip_224", 0),
            ("vit_small_patch16_dinov3", 5),
            ("vit_pe_core_tiny_patch16_384", 1),
        ],
        quick=2,
    ),
)
def test_a_timm_model_is_built_by_its_name(tmp_path: Path, name: str, prefix: int) -> None:
    arguments = {"depth": 2, "patch_size": 8}
    model = write_timm(tmp_path / "model", name, **arguments)
    encoder: Any = load(tmp_path / "model", device="cpu", precision="fp32")
    pictures = np.random.default_rng(0).integers(0, 256, (2, 32, 32, 3), np.uint8)
    got = encoder.encode(pictures)
    with torch.no_grad():
        tokens = model.forward_features(encoder.pixels_of(pictures))
        pooled = model.forward_head(tokens, pre_logits=True)
    assert encoder.spec.layout is Layout.TIMM and encoder.depth == 2
    assert encoder.spec.preset.resize_to == 35
    assert np.abs(got.cls - pooled.numpy()).max() < 1e-5
    assert np.abs(got.patches - tokens[:, prefix:].numpy()).max() < 1e-5
    assert attend(encoder, pictures[0]).maps.shape == (2, 16 + prefix, 16 + prefix)
    assert encoder.forward_features(encoder.pixels_of(pictures), layer=1).patches.shape[1] == 16


def test_what_is_missing_or_too_much_is_refused(tmp_path: Path) -> None:
    write_tower(tmp_path / "dino", "dinov2_with_registers")
    path = tmp_path / "dino" / "model.safetensors"
    tensors = load_file(path)
    for changed in (
        {key: tensor for key, tensor in tensors.items() if "layernorm" not in key},
        tensors | {"adapter.weight": torch.ones(2)},
    ):
        save_file(changed, path, metadata={"format": "pt"})
        with pytest.raises(WeightsError, match="expected the tensors of a dinov2_with_registers"):
            load(tmp_path / "dino", device="cpu")
    write_timm(tmp_path / "timm", "vit_small_patch16_224", depth=2, patch_size=8)
    path = tmp_path / "timm" / "model.safetensors"
    save_file(load_file(path) | {"adapter.weight": torch.ones(2)}, path)
    with pytest.raises(WeightsError, match="1 unexpected: adapter"):
        load(tmp_path / "timm", device="cpu")


def test_another_design_or_code_of_its_own_is_refused(tmp_path: Path) -> None:
    write_timm(tmp_path / "timm", "vit_small_patch16_224", depth=2, patch_size=8)
    path = tmp_path / "timm" / "config.json"
    config = json.loads(path.read_text())
    path.write_text(json.dumps(config | {"architecture": "no_such_vit"}))
    with pytest.raises(EncoderError, match="timm cannot build no_such_vit"):
        load(tmp_path / "timm", device="cpu")
    path.write_text(json.dumps({"model_type": "somebodys", "auto_map": {"AutoModel": "x.Y"}}))
    with pytest.raises(EncoderError, match="model_type vit, got 'somebodys'|timm"):
        load(tmp_path / "timm", device="cpu")
