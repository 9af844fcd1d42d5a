"""The published layouts, rebuilt with random weights: sizes, inventories, equal outputs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from indexer.encoders import layouts
from indexer.encoders.architecture import Architecture, hf_shapes, timm_shapes
from indexer.encoders.registry import load
from indexer.encoders.weights import read_header
from indexer.errors import WeightsError
from indexer.types import Head, Layout
from tests.lookalikes import COMMFOR, COMMFOR_PROCESSOR, write_commfor, write_commfor_owens


def small_timm(**options: Any) -> Any:
    from timm.models.vision_transformer import VisionTransformer

    torch.manual_seed(3)
    sizes = {"img_size": 32, "patch_size": 8, "embed_dim": 64, "depth": 2, "num_heads": 1}
    model = VisionTransformer(**(sizes | {"num_classes": 1} | options)).eval()
    for tensor in model.parameters():
        tensor.data += 0.1 * torch.randn(tensor.shape)
    return model


def write(folder: Path, tensors: dict[str, torch.Tensor], config: dict[str, Any]) -> Path:
    folder.mkdir()
    save_file({k: v.contiguous() for k, v in tensors.items()}, folder / "model.safetensors")
    (folder / "config.json").write_text(json.dumps(config))
    size = config.get("image_size", 32)
    processor = {**COMMFOR_PROCESSOR, "crop_size": size, "size": {"shortest_edge": size}}
    (folder / "preprocessor_config.json").write_text(json.dumps(processor))
    return folder


@pytest.fixture(scope="module")
def commfor(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Both published layouts of the same random weights: Hugging Face's and OwensLab's."""
    root = tmp_path_factory.mktemp("commfor")
    hf = write_commfor(root / "hf")
    return hf, write_commfor_owens(root / "owens", like=hf)


def test_sizes_and_inventories_equal_the_published_ones(commfor: tuple[Path, Path]) -> None:
    for folder, size, tensors in zip(commfor, (87_270_764, 87_262_324), (200, 152), strict=True):
        path = folder / "model.safetensors"
        header = read_header(path)
        assert path.stat().st_size == size
        assert len(header.shapes) == tensors
        assert sum(int(np.prod(shape)) for shape in header.shapes.values()) == 21_811_969


@pytest.mark.slow
def test_both_layouts_give_the_same_outputs(commfor: tuple[Path, Path]) -> None:
    pictures = np.random.default_rng(0).integers(0, 256, (1, 384, 384, 3), np.uint8)
    hf, owens = (load(folder, device="cpu", precision="fp32") for folder in commfor)
    assert (hf.spec.layout, owens.spec.layout) == (Layout.HF_VIT, Layout.TIMM_VIT_PREFIXED)
    assert hf.spec.head is owens.spec.head is Head.SIGMOID1
    assert hf.spec.patch_grid == (24, 24) and hf.spec.dim == 384
    a, b = hf.encode(pictures), owens.encode(pictures)
    assert a.logits is not None and b.logits is not None and a.logits.shape == (1, 1)
    assert np.abs(a.logits - b.logits).max() < 1e-5
    assert np.abs(a.cls - b.cls).max() < 1e-5


def test_inventories_agree_with_the_classes_themselves() -> None:
    from transformers.models.vit.modeling_vit import ViTForImageClassification

    from tests.tiny_vit import tiny_config

    a = Architecture(hidden=48, depth=2, heads=3, mlp=96, patch=8, image=32, labels=2)
    model = ViTForImageClassification(tiny_config(num_labels=2))
    in_memory = {name: tuple(t.shape) for name, t in model.state_dict().items()}
    named = layouts.in_memory(hf_shapes(a), names=in_memory)  # type: ignore[arg-type]
    assert named == in_memory  # type: ignore[comparison-overlap]
    b = Architecture(hidden=64, depth=2, heads=1, mlp=256, patch=8, image=32, labels=1)
    assert timm_shapes(b) == {n: tuple(t.shape) for n, t in small_timm().state_dict().items()}


@pytest.mark.parametrize("prefix", ["", "vit."])
def test_a_timm_folder_gives_timms_own_outputs(tmp_path: Path, prefix: str) -> None:
    model = small_timm()
    tensors = {f"{prefix}{name}": tensor for name, tensor in model.state_dict().items()}
    encoder = load(write(tmp_path / "timm", tensors, {}), device="cpu", precision="fp32")
    pixels = torch.randn(2, 3, 32, 32)
    with torch.no_grad():
        tokens, logits = model.forward_features(pixels), model(pixels)
    got = encoder.forward_features(pixels)  # type: ignore[attr-defined]
    assert encoder.spec.layout is (Layout.TIMM_VIT_PREFIXED if prefix else Layout.TIMM)
    assert np.abs(got.cls - tokens[:, 0].numpy()).max() < 1e-5
    assert np.abs(got.patches - tokens[:, 1:].numpy()).max() < 1e-5
    assert np.abs(got.logits - logits.numpy()).max() < 1e-5


def test_a_timm_folder_takes_preprocessing_from_its_own_configuration(tmp_path: Path) -> None:
    cfg = {"input_size": [3, 32, 32], "mean": [0.1, 0.2, 0.3], "std": [0.4, 0.5, 0.6]}
    cfg |= {"crop_pct": 0.8, "interpolation": "bilinear"}  # type: ignore[dict-item]
    folder = write(tmp_path / "timm", small_timm().state_dict(), {"pretrained_cfg": cfg})
    (folder / "preprocessor_config.json").unlink()
    preset = load(folder, device="cpu").spec.preset
    assert (preset.size, preset.resize, preset.resize_to) == (32, "shortest-edge", 40)
    assert preset.interpolation == "bilinear"
    assert (preset.mean, preset.std) == ((0.1, 0.2, 0.3), (0.4, 0.5, 0.6))


def test_conversion_there_and_back_changes_nothing() -> None:
    tensors = small_timm().state_dict()
    back = layouts.hf_to_timm(layouts.timm_to_hf(tensors))
    assert set(back) == set(tensors)
    assert all(torch.equal(back[name], tensors[name]) for name in tensors)


@pytest.mark.parametrize("options", [{"reg_tokens": 4}, {"qk_norm": True}, {"init_values": 0.1}])
def test_a_timm_file_with_more_than_a_plain_vit_is_refused(
    tmp_path: Path, options: dict[str, Any]
) -> None:
    folder = write(tmp_path / "timm", small_timm(**options).state_dict(), {})
    with pytest.raises(WeightsError, match="unexpected|register tokens"):
        load(folder)


def test_a_broken_export_is_refused_from_its_file(tmp_path: Path) -> None:
    a = Architecture(hidden=384, depth=1, heads=6, mlp=3072, patch=16, image=384, labels=2)
    tensors = {name: torch.zeros(shape) for name, shape in hf_shapes(a).items()}
    changes = {"num_labels": 2, "intermediate_size": 3072, "num_hidden_layers": 1}
    folder = write(tmp_path / "old", tensors, COMMFOR | changes)
    with pytest.raises(WeightsError, match="broken CommunityForensics export from before July"):
        load(folder)
