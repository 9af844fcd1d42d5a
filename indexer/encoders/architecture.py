"""What a plain vision transformer is made of, and the tensors that its files must hold."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from math import isqrt
from typing import Any

from indexer.errors import EncoderError, WeightsError
from indexer.untrusted_json import shown, whole

Shapes = dict[str, tuple[int, ...]]
"""Tensor names and their shapes."""

TIMM_HEAD_WIDTH = 64  # heads leave no trace in the tensors; every timm ViT of the family has this
TIMM_EPS = 1e-6
LARGEST, DEEPEST = 1 << 20, 128  # sizes and layers that some model may have one day


@dataclass(frozen=True, kw_only=True)
class Architecture:
    """The sizes of a vision transformer with one class token and square pictures."""

    hidden: int
    depth: int
    heads: int
    mlp: int
    patch: int
    image: int
    labels: int = 0
    eps: float = 1e-12
    activation: str = "gelu"
    qkv_bias: bool = True

    def __post_init__(self) -> None:
        sizes = (self.hidden, self.depth, self.heads, self.mlp, self.patch, self.image)
        possible = min(sizes) >= 1 and max(sizes) <= LARGEST and 0 <= self.labels <= LARGEST
        possible = possible and self.depth <= DEEPEST and 0 < self.eps < 1
        if not possible or self.hidden % self.heads or self.image < self.patch:
            raise EncoderError(
                f"the encoder's configuration makes no vision transformer: hidden {self.hidden}, "
                f"layers {self.depth}, heads {self.heads}, MLP {self.mlp}, patch {self.patch}, "
                f"image {self.image}, epsilon {self.eps:g}; correct config.json"
            )

    @property
    def grid(self) -> tuple[int, int]:
        """Patches down and across."""
        return self.image // self.patch, self.image // self.patch

    @property
    def positions(self) -> int:
        """Position embeddings: one per patch and one for the class token."""
        return self.grid[0] * self.grid[1] + 1


def from_hf_config(config: Mapping[str, Any], *, labels_on_disk: int) -> Architecture:
    """Read the sizes from a Hugging Face ViT `config.json`.

    ``labels_on_disk`` is what the classifier tensor has (0 where there is none); it is believed
    only where the configuration is silent.
    """
    bare = config.get("architectures") == ["ViTModel"]

    def size(name: str, usual: int) -> int:
        return whole(config.get(name, usual), most=LARGEST)

    try:
        return Architecture(
            hidden=size("hidden_size", 768),
            depth=size("num_hidden_layers", 12),
            heads=size("num_attention_heads", 12),
            mlp=size("intermediate_size", 3072),
            patch=size("patch_size", 16),
            image=size("image_size", 224),
            labels=0 if bare else _declared_labels(config, labels_on_disk),
            eps=float(config.get("layer_norm_eps", 1e-12)),
            activation=str(config.get("hidden_act", "gelu")),
            qkv_bias=bool(config.get("qkv_bias", True)),
        )
    except (TypeError, ValueError) as error:
        raise EncoderError(f"config.json: a size is not a whole number ({shown(error)})") from error


def _declared_labels(config: Mapping[str, Any], labels_on_disk: int) -> int:
    if "num_labels" in config:
        return whole(config["num_labels"], most=LARGEST)
    if isinstance(config.get("id2label"), dict):
        return len(config["id2label"])
    return labels_on_disk


def from_timm_shapes(shapes: Shapes, config: Mapping[str, Any]) -> Architecture:
    """Read the sizes from the tensors of a timm ViT, whose configuration rarely has them."""
    try:
        hidden, patch = shapes["cls_token"][-1], shapes["patch_embed.proj.weight"][-1]
        positions, mlp = shapes["pos_embed"][1], shapes["blocks.0.mlp.fc1.weight"][0]
    except (KeyError, IndexError) as error:
        raise WeightsError(
            f"expected a timm vision transformer with a class token; {error} is missing"
        ) from error
    side = isqrt(positions - 1)
    if side * side != positions - 1:
        raise WeightsError(
            f"expected one class token and a square grid of patches, got {positions} positions; "
            "register tokens are not supported in this layout"
        )
    arguments = {**config, **dict(config.get("model_args") or {})}
    return Architecture(
        hidden=hidden,
        depth=1 + max((int(m[1]) for m in map(_BLOCK.match, shapes) if m), default=0),
        heads=int(arguments.get("num_heads", max(1, hidden // TIMM_HEAD_WIDTH))),
        mlp=mlp,
        patch=patch,
        image=side * patch,
        labels=shapes.get("head.weight", (0,))[0],
        eps=TIMM_EPS,
        qkv_bias="blocks.0.attn.qkv.bias" in shapes,
    )


_BLOCK = re.compile(r"blocks\.(\d+)\.")


def hf_shapes(a: Architecture) -> Shapes:
    """List the tensors of `ViTForImageClassification` as Hugging Face names them on disk."""
    h = a.hidden
    shapes: Shapes = {
        "vit.embeddings.cls_token": (1, 1, h),
        "vit.embeddings.position_embeddings": (1, a.positions, h),
        "vit.embeddings.patch_embeddings.projection.weight": (h, 3, a.patch, a.patch),
        "vit.embeddings.patch_embeddings.projection.bias": (h,),
        "vit.layernorm.weight": (h,),
        "vit.layernorm.bias": (h,),
    }
    for i in range(a.depth):
        block = f"vit.encoder.layer.{i}."
        for part in ("query", "key", "value"):
            shapes |= _linear(f"{block}attention.attention.{part}", h, h, bias=a.qkv_bias)
        shapes |= _linear(f"{block}attention.output.dense", h, h)
        shapes |= _linear(f"{block}intermediate.dense", a.mlp, h)
        shapes |= _linear(f"{block}output.dense", h, a.mlp)
        for norm in ("layernorm_before", "layernorm_after"):
            shapes |= {f"{block}{norm}.weight": (h,), f"{block}{norm}.bias": (h,)}
    return shapes | (_linear("classifier", a.labels, h) if a.labels else {})


def timm_shapes(a: Architecture) -> Shapes:
    """List the tensors of timm's `VisionTransformer`, without prefix."""
    h = a.hidden
    shapes: Shapes = {
        "cls_token": (1, 1, h),
        "pos_embed": (1, a.positions, h),
        "patch_embed.proj.weight": (h, 3, a.patch, a.patch),
        "patch_embed.proj.bias": (h,),
        "norm.weight": (h,),
        "norm.bias": (h,),
    }
    for i in range(a.depth):
        block = f"blocks.{i}."
        shapes |= _linear(f"{block}attn.qkv", 3 * h, h, bias=a.qkv_bias)
        shapes |= _linear(f"{block}attn.proj", h, h)
        shapes |= _linear(f"{block}mlp.fc1", a.mlp, h)
        shapes |= _linear(f"{block}mlp.fc2", h, a.mlp)
        for norm in ("norm1", "norm2"):
            shapes |= {f"{block}{norm}.weight": (h,), f"{block}{norm}.bias": (h,)}
    return shapes | (_linear("head", a.labels, h) if a.labels else {})


def _linear(name: str, out: int, into: int, *, bias: bool = True) -> Shapes:
    return {f"{name}.weight": (out, into)} | ({f"{name}.bias": (out,)} if bias else {})
