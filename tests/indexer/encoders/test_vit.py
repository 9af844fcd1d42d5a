"""The hooked transformer: outputs against the plain way, hooks, memory, rounding."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from indexer.encoders.registry import load
from indexer.encoders.vit import HookedViT
from indexer.errors import EncoderError
from indexer.types import EncoderSpec, Head, Layout, Preset, UInt8
from tests.indexer.encoders.test_layouts import small_timm
from tests.tiny_vit import tiny_model, write_tiny_vit


def spec(**changes: Any) -> EncoderSpec:
    values: dict[str, Any] = {
        "name": "tiny",
        "source": "folder:tiny",
        "weights_sha256": "0" * 64,
        "layout": Layout.HF_VIT,
        "dim": 48,
        "patch_grid": (4, 4),
        "preset": Preset(name="p", size=32, mean=(0.4, 0.5, 0.6), std=(0.2, 0.3, 0.4)),
        "head": Head.SOFTMAX2,
    }
    return EncoderSpec(**(values | changes))


def hooked(model: Any = None, *, precision: str = "fp32", **changes: Any) -> HookedViT:
    model = model or tiny_model(num_labels=2)
    return HookedViT(model, spec(**changes), device="cpu", precision=precision)


def pictures(count: int, *, size: int = 32, seed: int = 0) -> UInt8:
    return np.random.default_rng(seed).integers(0, 256, (count, size, size, 3), np.uint8)


def live_hooks(model: torch.nn.Module) -> int:
    return sum(len(m._forward_hooks) for m in model.modules())


def test_features_equal_the_models_own_last_hidden_state() -> None:
    model = tiny_model(num_labels=2)
    pixels = torch.randn(3, 3, 32, 32)
    with torch.no_grad():
        plain = model.vit(pixels).last_hidden_state.numpy()
        logits = model(pixels).logits.numpy()
    features = hooked(model).forward_features(pixels)
    assert np.array_equal(features.cls, plain[:, 0])
    assert np.array_equal(features.patches, plain[:, 1:])
    assert features.logits is not None and np.abs(features.logits - logits).max() < 1e-6
    assert features.cls.dtype == features.patches.dtype == features.logits.dtype == np.float32


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_logits_are_the_head_applied_to_the_class_token(precision: str) -> None:
    model = tiny_model(num_labels=2)
    features = hooked(model, precision=precision).encode(pictures(4))
    weight, bias = (p.numpy().astype(np.float64) for p in model.classifier.parameters())
    assert features.logits is not None
    assert np.abs(features.logits - (features.cls @ weight.T + bias)).max() < 1e-5


def test_bytes_are_normalised_by_the_presets_statistics() -> None:
    encoder, batch = hooked(), pictures(2)
    preset = encoder.spec.preset
    pixels = (batch / 255 - np.array(preset.mean)) / np.array(preset.std)
    by_hand = torch.from_numpy(pixels.transpose(0, 3, 1, 2).astype(np.float32))
    expected = encoder.forward_features(by_hand)
    assert np.abs(encoder.encode(batch).cls - expected.cls).max() < 1e-4


@pytest.mark.parametrize("layer, block", [(1, 0), (2, 1), (-2, 0)])
def test_a_layer_is_its_blocks_plain_output(layer: int, block: int) -> None:
    model = tiny_model(num_labels=2)
    pixels = torch.randn(2, 3, 32, 32)
    with torch.no_grad():
        states = model.vit(pixels, output_hidden_states=True).hidden_states[block + 1].numpy()
    features = hooked(model).forward_features(pixels, layer=layer)
    last = hooked(model).forward_features(pixels)
    assert np.abs(features.cls - states[:, 0]).max() < 1e-5
    assert np.abs(features.patches - states[:, 1:]).max() < 1e-5
    assert not np.allclose(features.cls, last.cls, atol=1e-2)
    assert features.logits is not None and np.array_equal(features.logits, last.logits)


@pytest.mark.parametrize("layer", [0, 3, -3])
def test_a_layer_that_is_not_there_is_refused(layer: int) -> None:
    with pytest.raises(EncoderError, match="has 2 layers"):
        hooked().forward_features(torch.zeros(1, 3, 32, 32), layer=layer)
    with pytest.raises(EncoderError, match="has 2 layers"):
        hooked(layer=layer)


def test_encode_reads_the_specs_layer() -> None:
    model, batch = tiny_model(num_labels=2), pictures(2)
    by_spec = hooked(model, layer=1).encode(batch)
    by_call = hooked(model).forward_features(torch.from_numpy(batch), layer=1)
    assert np.array_equal(by_spec.cls, by_call.cls)


def test_an_encoder_without_a_head_gives_no_logits() -> None:
    model = tiny_model()
    assert hooked(model, head=Head.NONE).encode(pictures(1)).logits is None


def test_attention_rows_sum_to_one_and_match_the_queries_and_keys() -> None:
    model = tiny_model(num_labels=2)
    encoder, pixels = hooked(model), torch.randn(2, 3, 32, 32)
    features = encoder.forward_features(pixels, attention=True)
    assert features.attention is not None and features.attention.shape == (2, 2, 3, 17, 17)
    assert np.abs(features.attention.sum(-1) - 1).max() < 1e-6
    with torch.no_grad():
        block = blocks_of(model)[0]
        tokens = block.layernorm_before(model.vit.embeddings(pixels))
        q, k = (p(tokens).view(2, 17, 3, 16).transpose(1, 2) for p in _projections(block))
        by_hand = torch.softmax(q @ k.transpose(2, 3) / 4, dim=-1).numpy()
    assert np.abs(features.attention[0] - by_hand).max() < 1e-5
    plain = encoder.forward_features(pixels)
    assert plain.attention is None and np.abs(plain.cls - features.cls).max() < 1e-4


def blocks_of(model: Any) -> torch.nn.ModuleList:
    """Return the blocks, which transformers called encoder.layer before it called them layers."""
    return model.vit.layers if hasattr(model.vit, "layers") else model.vit.encoder.layer  # type: ignore[no-any-return]


def _projections(block: Any) -> tuple[Any, Any]:
    attention = block.attention
    if hasattr(attention, "q_proj"):
        return attention.q_proj, attention.k_proj
    return attention.attention.query, attention.attention.key


def test_attention_leaves_the_fast_path_as_it_was() -> None:
    model = tiny_model(num_labels=2)
    encoder, before = hooked(model), model.config._attn_implementation
    encoder.forward_features(torch.zeros(1, 3, 32, 32), attention=True)
    assert model.config._attn_implementation == before != "eager"
    assert live_hooks(model) == 0


class Failing(torch.nn.Module):
    def forward(self, *_: Any, **__: Any) -> None:
        raise RuntimeError("broken on purpose")


def test_hooks_are_gone_after_an_error() -> None:
    model = tiny_model(num_labels=2)
    encoder, before = hooked(model), model.config._attn_implementation
    blocks_of(model)[1] = Failing()
    with pytest.raises(EncoderError, match="broken on purpose"):
        encoder.forward_features(torch.zeros(1, 3, 32, 32), attention=True)
    assert live_hooks(model) == 0
    assert model.config._attn_implementation == before


def test_a_timm_model_stands_behind_the_same_face() -> None:
    for extra in ({}, {"reg_tokens": 4}, {"dynamic_img_size": True}):
        model = small_timm(num_classes=2, **extra)
        encoder = hooked(model, layout=Layout.TIMM, dim=64)
        pixels = torch.randn(2, 3, 32, 32)
        with torch.no_grad():
            tokens, logits = model.forward_features(pixels), model(pixels)
        features = encoder.forward_features(pixels, attention=True)
        assert np.abs(features.cls - tokens[:, 0].numpy()).max() < 1e-5
        assert np.abs(features.patches - tokens[:, -16:].numpy()).max() < 1e-5
        assert features.logits is not None
        assert np.abs(features.logits - logits.numpy()).max() < 1e-5
        assert features.attention is not None
        assert np.abs(features.attention.sum(-1) - 1).max() < 1e-6
        assert live_hooks(model) == 0 and model.blocks[0].attn.fused_attn


def test_other_models_are_refused() -> None:
    with pytest.raises(EncoderError, match="got Linear"):
        hooked(torch.nn.Linear(2, 2))


def test_a_timm_model_that_pools_otherwise_gives_what_it_pools_to() -> None:
    model = small_timm(global_pool="avg")
    pixels = torch.randn(2, 3, 32, 32)
    got = hooked(model).forward_features(pixels)
    with torch.no_grad():
        tokens = model.forward_features(pixels)
        pooled = model.forward_head(tokens, pre_logits=True)
    assert np.abs(got.cls - pooled.numpy()).max() < 1e-5


class Narrow(torch.nn.Module):
    """A block that fails as a full memory does for more pictures than ``limit``."""

    def __init__(self, block: torch.nn.Module, limit: int) -> None:
        super().__init__()
        self.block, self.limit, self.seen = block, limit, []

    def forward(self, tokens: torch.Tensor, *args: Any, **kwargs: Any) -> torch.Tensor:
        self.seen.append(len(tokens))
        if len(tokens) > self.limit:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")
        return self.block(tokens, *args, **kwargs)  # type: ignore[no-any-return]


def test_a_batch_that_does_not_fit_is_halved_and_the_size_remembered() -> None:
    whole, batch = hooked().encode(pictures(7)), pictures(7)
    model = tiny_model(num_labels=2)
    encoder = hooked(model)
    narrow = blocks_of(model)[0] = Narrow(blocks_of(model)[0], limit=2)
    features = encoder.encode(batch)
    assert narrow.seen == [7, 3, 1, 1, 1, 1, 1, 1, 1]
    assert np.abs(features.cls - whole.cls).max() < 1e-5
    assert features.logits is not None and whole.logits is not None
    assert np.abs(features.logits - whole.logits).max() < 1e-5
    assert len(encoder.encode(batch[:3])) == 3 and narrow.seen[9:] == [1, 1, 1]


def test_one_picture_that_does_not_fit_is_a_clear_error() -> None:
    model = tiny_model(num_labels=2)
    encoder = hooked(model)
    blocks_of(model)[0] = Narrow(blocks_of(model)[0], limit=0)
    with pytest.raises(EncoderError, match="one picture alone does not fit"):
        encoder.encode(pictures(4))
    assert live_hooks(model) == 0


def test_threads_that_share_an_encoder_get_their_own_vectors() -> None:
    encoder, batches = hooked(), [pictures(2, seed=seed) for seed in range(24)]
    expected = [encoder.encode(batch).cls for batch in batches]
    with ThreadPoolExecutor(8) as pool:
        got = list(pool.map(lambda batch: encoder.encode(batch).cls, batches))
    assert all(np.array_equal(a, b) for a, b in zip(got, expected, strict=True))


def test_wrong_pictures_are_refused() -> None:
    encoder = hooked()
    for wrong in (pictures(1, size=31), pictures(1).astype(np.float32), pictures(0)):
        with pytest.raises(EncoderError, match="expected pictures of shape"):
            encoder.encode(wrong)  # type: ignore[arg-type]


def test_nan_in_the_outputs_is_an_error_that_names_the_way_out() -> None:
    with pytest.raises(EncoderError, match="try --precision fp32"):
        hooked().forward_features(torch.full((1, 3, 32, 32), float("nan")))


@pytest.mark.parametrize("precision, tolerance", [("fp32", 2e-5), ("bf16", 5e-2)])
def test_a_pictures_vector_hardly_depends_on_its_batch(precision: str, tolerance: float) -> None:
    encoder, batch = hooked(precision=precision), pictures(16)
    together = encoder.encode(batch).cls
    alone = np.concatenate([encoder.encode(batch[i : i + 1]).cls for i in range(16)])
    assert np.abs(together - alone).max() < tolerance


def test_bf16_gives_the_same_direction_as_fp32() -> None:
    model, batch = tiny_model(num_labels=2), pictures(16)
    a, b = (hooked(model, precision=p).encode(batch).cls for p in ("fp32", "bf16"))
    cosine = (a * b).sum(1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1)
    assert np.abs(a - b).max() > 0 and cosine.min() > 0.9995


def test_a_loaded_folder_is_the_model_that_was_saved(tmp_path: Path) -> None:
    model = tiny_model(seed=5, num_labels=2)
    folder = write_tiny_vit(tmp_path / "tiny", seed=5, num_labels=2)
    encoder = load(folder, device="cpu", precision="fp32")
    pixels = torch.randn(2, 3, 32, 32)
    with torch.no_grad():
        plain = model(pixels).logits.numpy()
    got = encoder.forward_features(pixels).logits  # type: ignore[attr-defined]
    assert np.abs(got - plain).max() < 1e-6
