"""Explanation, on a model in which one known patch decides, and on any other."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from PIL import Image
from safetensors.torch import load_file, save_file

from dfindex.cli import main
from dfindex.explanation.explain import ExplanationMethod, explain
from indexer.encoders.attention import attend, attend_for
from indexer.encoders.registry import load
from indexer.encoders.vit import HookedViT
from indexer.errors import EncoderError, UsageError
from tests.pictures import picture
from tests.tiny_vit import write_tiny_vit

DECIDES = (1, 2)  # row and column of the patch that the model below looks at
GRID, PATCH, HIDDEN = 4, 8, 48


def write_decided(folder: Path) -> Path:
    """Save a ViT of one block whose logit rises with the brightness of one patch alone.

    Channel 0 of a token is its patch's brightness. Position embeddings give the patch at
    `DECIDES` a mark in channel 1 and the class token one in channel 2; the queries of all tokens
    look for the first mark, so that attention goes to that patch, and values carry channel 0 into
    the class token, where the head reads it.
    """
    write_tiny_vit(folder, num_labels=1, num_hidden_layers=1, num_attention_heads=1)
    path = folder / "model.safetensors"
    tensors = {name: torch.zeros_like(tensor) for name, tensor in load_file(path).items()}
    for name, tensor in tensors.items():
        if "layernorm" in name and name.endswith("weight"):
            tensor.fill_(1.0)
    embed, block = "vit.embeddings.", "vit.encoder.layer.0."
    tensors[f"{embed}patch_embeddings.projection.weight"][0] = 4.0 / (3 * PATCH * PATCH)
    positions = tensors[f"{embed}position_embeddings"]
    positions[0, :, 3::2], positions[0, :, 4::2] = 2.0, -2.0  # keeps the LayerNorm's scale
    positions[0, 1 + DECIDES[0] * GRID + DECIDES[1], 1] = 8.0
    positions[0, 0, 2] = 8.0
    tensors[f"{block}attention.attention.query.bias"][0] = 30.0
    tensors[f"{block}attention.attention.key.weight"][0, 1] = 3.0
    tensors[f"{block}attention.attention.value.weight"][5, 0] = 1.0
    tensors[f"{block}attention.output.dense.weight"][0, 5] = 4.0
    tensors["classifier.weight"][0, 0] = 1.0
    save_file(tensors, path, metadata={"format": "pt"})
    return folder


@pytest.fixture(scope="module")
def decided(tmp_path_factory: pytest.TempPathFactory) -> HookedViT:
    folder = write_decided(tmp_path_factory.mktemp("models") / "decided")
    encoder = load(folder, device="cpu", precision="fp32")
    assert isinstance(encoder, HookedViT)
    return encoder


def bright(row: int, column: int) -> Image.Image:
    pixels = np.full((GRID * PATCH, GRID * PATCH, 3), 60, np.uint8)
    pixels[row * PATCH : (row + 1) * PATCH, column * PATCH : (column + 1) * PATCH] = 250
    return Image.fromarray(pixels)


def test_the_model_is_decided_by_one_patch(decided: HookedViT) -> None:
    pictures = [bright(row, column) for row in range(GRID) for column in range(GRID)]
    logits = decided.encode(np.stack([np.asarray(p) for p in pictures])).logits
    assert logits is not None
    raised = logits[:, 0] - np.median(logits)
    assert int(raised.argmax()) == DECIDES[0] * GRID + DECIDES[1]
    assert np.sort(np.abs(raised))[-2] < 0.02 * raised.max()


@pytest.mark.parametrize("method", [ExplanationMethod.ROLLOUT, ExplanationMethod.GRAD_ROLLOUT])
def test_the_patch_that_decides_is_found(
    tmp_path: Path, decided: HookedViT, method: ExplanationMethod
) -> None:
    path = tmp_path / "picture.png"
    bright(*DECIDES).save(path)
    result = explain(path, decided, method=method)
    place = np.unravel_index(int(result.values.argmax()), result.values.shape)
    assert tuple(int(one) for one in place) == DECIDES
    assert result.values[DECIDES] > 0.9 * result.values.sum()
    assert result.top_regions[0].box == (DECIDES[1] * PATCH, DECIDES[0] * PATCH, PATCH, PATCH)


def test_patch_logit_shows_which_patch_would_be_called_fake(
    tmp_path: Path, decided: HookedViT
) -> None:
    path = tmp_path / "picture.png"
    bright(0, 3).save(path)
    values = explain(path, decided, method=ExplanationMethod.PATCH_LOGIT).values
    others = np.delete(values.ravel(), [3, DECIDES[0] * GRID + DECIDES[1]])
    assert values[0, 3] > others.max()


def test_patch_logits_are_the_heads_own_sum(tmp_path: Path) -> None:
    encoder: Any = load(
        write_tiny_vit(tmp_path / "tiny", num_labels=2), device="cpu", precision="fp32"
    )
    path = tmp_path / "picture.png"
    picture(1, (32, 32)).save(path)
    result = explain(path, encoder, method=ExplanationMethod.PATCH_LOGIT)
    features = encoder.encode(np.asarray(Image.open(path))[None])
    with torch.no_grad():
        each = encoder.model.classifier(torch.from_numpy(features.patches[0])).numpy()
    assert np.allclose(result.values.ravel(), each[:, 1] - each[:, 0], atol=1e-5)
    assert result.logit == pytest.approx(float(features.logits[0, 1] - features.logits[0, 0]))


def test_attention_is_the_mean_over_heads(tmp_path: Path) -> None:
    encoder: Any = load(write_tiny_vit(tmp_path / "tiny"), device="cpu", precision="fp32")
    image = np.asarray(picture(2, (32, 32)))
    seen = attend(encoder, image)
    full = encoder.forward_features(torch.from_numpy(image[None].copy()), attention=True)
    assert np.allclose(seen.maps, full.attention[:, 0].mean(axis=1), atol=1e-6)
    assert np.allclose(seen.cls, full.cls[0], atol=1e-5)


def test_gradients_are_those_of_the_logit(tmp_path: Path) -> None:
    folder = write_tiny_vit(tmp_path / "tiny", num_labels=1, num_hidden_layers=1)
    encoder: Any = load(folder, device="cpu", precision="fp32")
    image = np.asarray(picture(2, (32, 32)))
    seen = attend_for(encoder, image, lambda logits: logits[:, 0])
    model = encoder.model
    model.set_attn_implementation("eager")
    pixels = encoder.pixels_of(image[None]).requires_grad_(True)
    out = model(pixels, output_attentions=True)
    gradient = torch.autograd.grad(out.logits.sum(), out.attentions[0])[0]
    expected = (gradient * out.attentions[0]).clamp(min=0).mean(dim=1)[0].detach().numpy()
    assert np.allclose(seen.maps[0], expected, atol=1e-6)


@pytest.mark.parametrize("call", ["attend", "attend_for"])
def test_hooks_and_eager_attention_go_also_after_an_error(tmp_path: Path, call: str) -> None:
    folder = write_tiny_vit(tmp_path / "tiny", num_labels=1)
    encoder: Any = load(folder, device="cpu", precision="fp32")
    broken = encoder.model.vit.layernorm
    image = np.asarray(picture(2, (32, 32)))

    def fail(*_: Any) -> None:
        raise ValueError("broken on purpose")

    handle = broken.register_forward_pre_hook(fail)
    with pytest.raises(ValueError, match="on purpose"):
        attend(encoder, image) if call == "attend" else attend_for(encoder, image, torch.sum)
    handle.remove()
    assert not any(module._forward_hooks for module in encoder.model.modules())
    assert encoder.model.config._attn_implementation == "sdpa"
    assert attend(encoder, image).maps.shape == (2, 17, 17)


def test_a_block_in_the_middle(tmp_path: Path) -> None:
    folder = write_tiny_vit(tmp_path / "tiny", num_labels=1)
    encoder: Any = load(folder, device="cpu", precision="fp32")
    path = tmp_path / "picture.png"
    picture(1, (32, 32)).save(path)
    first = explain(path, encoder, block=1)
    assert not np.allclose(first.values, explain(path, encoder).values)
    seen = attend(encoder, np.asarray(Image.open(path)))
    assert np.allclose(first.values.ravel(), 0.5 * seen.maps[0][0, 1:], atol=1e-6)
    last = explain(path, encoder, method=ExplanationMethod.PATCH_LOGIT, block=2).values
    assert np.allclose(
        last, explain(path, encoder, method=ExplanationMethod.PATCH_LOGIT).values, atol=1e-5
    )
    with pytest.raises(UsageError, match="from 1 to 2"):
        explain(path, encoder, block=3)


def test_methods_that_need_a_head_say_so(tmp_path: Path) -> None:
    encoder = load(write_tiny_vit(tmp_path / "tiny"), device="cpu")
    path = tmp_path / "picture.png"
    picture(1).save(path)
    for method in (ExplanationMethod.GRAD_ROLLOUT, ExplanationMethod.PATCH_LOGIT):
        with pytest.raises(EncoderError, match="expected an encoder with a head"):
            explain(path, encoder, method=method)
    assert explain(path, encoder).logit is None


def test_the_command_writes_overlay_map_and_json(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    folder = write_tiny_vit(tmp_path / "tiny", num_labels=1)
    picture(1, (300, 200)).save("picture.png")
    arguments = ["explain", "picture.png", "--encoder", str(folder), "--out", "seen.png"]
    result = CliRunner().invoke(main, [*arguments, "--method", "grad-rollout", "--json"])
    assert result.exit_code == 0, result.output
    told = json.loads(result.stdout)
    values = np.load("seen.npy")
    assert values.shape == tuple(told["grid"]) == (4, 4) and values.dtype == np.float32
    assert told["seen"] == [0, 0, 300, 200]
    with Image.open("seen.png") as overlay:
        assert overlay.width >= 560
    again = [*arguments[:-1], "seen.txt"]
    assert CliRunner().invoke(main, again).exit_code == 2
    assert CliRunner().invoke(main, [*arguments, "--method", "magic"]).exit_code == 2
