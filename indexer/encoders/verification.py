"""Prove an encoder's weights: hash, inventory, finite, head, both layouts, the authors' scores."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from indexer.encoders import fetch, hf_model, layouts, weights
from indexer.encoders.folder import Options, describe_folder, read_json
from indexer.encoders.own_head import log_odds, probability
from indexer.encoders.published import GOLDEN, EncoderEntry
from indexer.errors import EncoderError
from indexer.preprocess import prepare
from indexer.types import Head, Layout, UInt8

if TYPE_CHECKING:
    from indexer.encoders.vit import HookedViT

CLOSE = 1e-4
GOLDEN_CLOSE = 5e-3


@dataclass(frozen=True, kw_only=True)
class Check:
    """One thing that was looked at; ``holds`` is None where there was nothing to compare with."""

    what: str
    holds: bool | None
    found: str


@dataclass(frozen=True, kw_only=True)
class Verification:
    """What was found out about an encoder's weights."""

    name: str
    folder: Path
    weights_sha256: str
    checks: tuple[Check, ...]

    @property
    def holds(self) -> bool:
        """Whether nothing speaks against the weights."""
        return all(check.holds is not False for check in self.checks)


def verify(folder: Path, entry: EncoderEntry | None, *, golden: Path | None = None) -> Verification:
    """Check a folder's weights against all that is known of them.

    ``golden`` is a folder with the authors' test pictures, whose scores they printed. Raise
    WeightsError where the file is damaged, or is not what was published.
    """
    path = weights.find_weights(folder)
    sha256 = fetch.check(entry, folder) if entry else weights.file_sha256(path)
    published = bool(entry and entry.weights_sha256)
    first = Check(
        what="SHA-256",
        holds=True if published else None,
        found="as published" if published else f"{sha256}; none is published",
    )
    known = None if entry is None or entry.layout is Layout.CUSTOM else entry
    spec, load = describe_folder(folder, Options(device="cpu", precision="fp32"), known)
    encoder = load()
    pixels = np.random.default_rng(0).integers(0, 256, (1, *_shape(encoder)), np.uint8)
    rest: list[Callable[[], Check]] = [
        lambda: _inventory(path),
        lambda: _head(encoder, pixels),
        lambda: _other_layout(folder, encoder, pixels),
        lambda: _golden(encoder, entry, golden),
    ]
    checks = (first, *(check() for check in rest))
    return Verification(name=spec.name, folder=folder, weights_sha256=sha256, checks=checks)


def _shape(encoder: HookedViT) -> tuple[int, int, int]:
    size = encoder.spec.preset.size
    return size, size, 3


def _inventory(path: Path) -> Check:
    header = weights.read_header(path)
    count = sum(int(np.prod(shape)) for shape in header.shapes.values())
    told = f"{len(header.shapes)} tensors, {count:,} numbers, {path.stat().st_size:,} bytes"
    return Check(what="tensors as config.json declares, all finite", holds=True, found=told)


def _head(encoder: HookedViT, pixels: UInt8) -> Check:
    what = "logit = W . cls + b"
    if encoder.spec.head is Head.NONE:
        return Check(what=what, holds=None, found="there is no head")
    features = encoder.encode(pixels)
    weight, bias = encoder.head_weights()
    assert features.logits is not None
    far = float(np.abs(features.cls @ weight.T + bias - features.logits).max())
    return Check(what=what, holds=far <= CLOSE, found=f"largest difference {far:.1e}")


def _other_layout(folder: Path, encoder: HookedViT, pixels: UInt8) -> Check:
    """Run the same weights in timm's own class, which shares no code with Hugging Face's."""
    import torch

    what = "the same outputs in timm's class"
    config = read_json(folder / "config.json")
    try:
        checkpoint = hf_model.inspect(weights.find_weights(folder), config, name=folder.name)
        twin = _timm_twin(checkpoint)
    except (ImportError, EncoderError) as error:
        return Check(what=what, holds=None, found=f"not compared: {error}")
    features = encoder.encode(pixels)
    with torch.inference_mode():
        tokens = twin.forward_features(encoder.pixels_of(pixels))
        cls = tokens[0, 0].numpy()
    far = float(np.abs(cls - features.cls[0]).max() / max(1.0, np.abs(cls).max()))
    return Check(what=what, holds=far <= CLOSE, found=f"largest difference of cls {far:.1e}")


def _timm_twin(checkpoint: hf_model.Checkpoint) -> Any:
    from functools import partial

    from timm.models.vision_transformer import VisionTransformer
    from torch import nn

    a = checkpoint.architecture
    model = VisionTransformer(
        img_size=a.image,
        patch_size=a.patch,
        embed_dim=a.hidden,
        depth=a.depth,
        num_heads=a.heads,
        mlp_ratio=a.mlp / a.hidden,
        qkv_bias=a.qkv_bias,
        num_classes=a.labels,
        norm_layer=partial(nn.LayerNorm, eps=a.eps),
    )
    model.load_state_dict(layouts.hf_to_timm(hf_model.hf_tensors(checkpoint)), strict=True)
    return model.eval()


def _golden(encoder: HookedViT, entry: EncoderEntry | None, folder: Path | None) -> Check:
    what = "the scores that the authors printed"
    scores = GOLDEN if entry is not None and entry.name in ("commfor", "commfor-owens") else {}
    if not scores:
        return Check(what=what, holds=None, found="none are known")
    if folder is None:
        return Check(
            what=what,
            holds=None,
            found="give --golden FOLDER with test_images/ of JeongsooP/Community-Forensics",
        )
    pairs = list(_scored(encoder, folder, scores))
    if not pairs:
        return Check(what=what, holds=None, found=f"none of the pictures is in {folder}")
    far = max(abs(got - expected) for got, expected in pairs)
    return Check(
        what=what, holds=far <= GOLDEN_CLOSE, found=f"{len(pairs)} pictures within {far:.4f}"
    )


def _scored(
    encoder: HookedViT, folder: Path, scores: dict[str, float]
) -> Iterator[tuple[float, float]]:
    for name, expected in scores.items():
        for path in sorted(folder.rglob(name)):
            with Image.open(path) as image:
                pixels = prepare(image.convert("RGB"), encoder.spec.preset)
            logits = encoder.encode(pixels[None]).logits
            assert logits is not None
            yield probability(float(log_odds(encoder.spec, logits)[0])), expected
