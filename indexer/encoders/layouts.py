"""Recognise a checkpoint's layout by its tensor names, and convert between timm and Hugging Face.

The table that holds for every ViT with one class token (timm left, Hugging Face right)::

    cls_token, pos_embed      vit.embeddings.cls_token, vit.embeddings.position_embeddings
    patch_embed.proj          vit.embeddings.patch_embeddings.projection
    blocks.i.norm1, norm2     vit.encoder.layer.i.layernorm_before, layernorm_after
    blocks.i.attn.qkv         ...attention.attention.query, key, value (thirds of the rows)
    blocks.i.attn.proj        ...attention.output.dense
    blocks.i.mlp.fc1, fc2     ...intermediate.dense, output.dense
    norm, head                vit.layernorm, classifier
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING

from indexer.encoders.architecture import Architecture, Shapes
from indexer.errors import WeightsError
from indexer.types import Layout

if TYPE_CHECKING:
    import torch

    Tensors = dict[str, torch.Tensor]

_OUTSIDE = {
    "cls_token": "vit.embeddings.cls_token",
    "pos_embed": "vit.embeddings.position_embeddings",
    "patch_embed.proj": "vit.embeddings.patch_embeddings.projection",
    "norm": "vit.layernorm",
    "head": "classifier",
}
_INSIDE = {
    "norm1": "layernorm_before",
    "norm2": "layernorm_after",
    "attn.proj": "attention.output.dense",
    "mlp.fc1": "intermediate.dense",
    "mlp.fc2": "output.dense",
}
_PARTS = ("query", "key", "value")
_TIMM_NAME = re.compile(r"(?:blocks\.(\d+)\.)?(.+?)(\.weight|\.bias)?")
_IN_MEMORY = (  # transformers renamed the modules in memory; files keep the old names
    ("vit.encoder.layer.", "vit.layers."),
    (".attention.attention.query.", ".attention.q_proj."),
    (".attention.attention.key.", ".attention.k_proj."),
    (".attention.attention.value.", ".attention.v_proj."),
    (".attention.output.dense.", ".attention.o_proj."),
    (".intermediate.dense.", ".mlp.fc1."),
    (".output.dense.", ".mlp.fc2."),
)


def recognise(names: Iterable[str]) -> Layout:
    """Return the layout that has such tensor names; raise `WeightsError` for any other."""
    have = set(names)
    if "vit.embeddings.cls_token" in have or "embeddings.cls_token" in have:
        return Layout.HF_VIT
    if "vit.cls_token" in have and "vit.patch_embed.proj.weight" in have:
        return Layout.TIMM_VIT_PREFIXED
    if "cls_token" in have and "patch_embed.proj.weight" in have:
        return Layout.TIMM
    first = ", ".join(sorted(have)[:3]) or "nothing"
    raise WeightsError(
        "expected a vision transformer with a class token in Hugging Face or timm layout, "
        f"got tensors named {first}; convert it with transformers or timm first"
    )


def hf_name(name: str) -> str:
    """Give a file's tensor the name it has under `ViTForImageClassification`."""
    return f"vit.{name}" if name.startswith(("embeddings.", "encoder.", "layernorm.")) else name


def timm_name(name: str) -> str:
    """Drop the prefix that a wrapper class around a timm model leaves."""
    return name.removeprefix("vit.")


def refuse_broken_export(architecture: Architecture) -> None:
    """Refuse the CommunityForensics exports from before July 2026, whose scores mean nothing."""
    broken = Architecture(hidden=384, depth=12, heads=6, mlp=3072, patch=16, image=384, labels=2)
    if (architecture.hidden, architecture.mlp, architecture.labels, architecture.image) == (
        broken.hidden,
        broken.mlp,
        broken.labels,
        broken.image,
    ):
        raise WeightsError(
            "this is a broken CommunityForensics export from before July 2026 (2 labels, MLP "
            "3072; expected 1 label, MLP 1536): its scores are unrelated to the picture; get "
            "revision ac6ee457bea904a373065754107451793b56db00 of "
            "buildborderless/CommunityForensics-DeepfakeDet-ViT"
        )


def timm_to_hf(tensors: Tensors) -> Tensors:
    """Convert timm tensors, without prefix, to Hugging Face's names on disk."""
    converted: Tensors = {}
    for name, tensor in tensors.items():
        match = _TIMM_NAME.fullmatch(name)
        block, stem, ending = match.groups() if match else (None, name, None)
        ending = ending or ""
        if block is None:
            converted[_OUTSIDE[stem] + ending] = tensor
        elif stem == "attn.qkv":
            for part, rows in zip(_PARTS, tensor.chunk(3), strict=True):
                target = f"vit.encoder.layer.{block}.attention.attention.{part}{ending}"
                converted[target] = rows.contiguous()
        else:
            converted[f"vit.encoder.layer.{block}.{_INSIDE[stem]}{ending}"] = tensor
    return converted


def hf_to_timm(tensors: Tensors) -> Tensors:
    """Convert Hugging Face's names on disk to timm's, without prefix."""
    import torch

    outside = {v: k for k, v in _OUTSIDE.items()}
    inside = {v: k for k, v in _INSIDE.items()}
    converted: Tensors = {}
    for name, tensor in tensors.items():
        stem, ending = _split(name)
        block = re.fullmatch(r"vit\.encoder\.layer\.(\d+)\.(.+)", stem)
        if block is None:
            converted[outside[stem] + ending] = tensor
        elif block[2] in inside:
            converted[f"blocks.{block[1]}.{inside[block[2]]}{ending}"] = tensor
        elif block[2] == "attention.attention.query":
            base = stem.removesuffix("query")
            rows = [tensors[f"{base}{part}{ending}"] for part in _PARTS]
            converted[f"blocks.{block[1]}.attn.qkv{ending}"] = torch.cat(rows)
    return converted


def _split(name: str) -> tuple[str, str]:
    for ending in (".weight", ".bias"):
        if name.endswith(ending):
            return name.removesuffix(ending), ending
    return name, ""


def in_memory(tensors: Tensors, *, names: Iterable[str]) -> Tensors:
    """Rename tensors from their names on disk to ``names``, those of the model in memory."""
    if set(names) == set(tensors):
        return tensors
    renamed: Tensors = {}
    for name, tensor in tensors.items():
        for old, new in _IN_MEMORY:
            name = name.replace(old, new)
        renamed[name] = tensor
    return renamed


def bare_shapes(shapes: Shapes, layout: Layout) -> Shapes:
    """Return the shapes under the names that the layout's inventory uses."""
    rename = hf_name if layout is Layout.HF_VIT else timm_name
    return {rename(name): shape for name, shape in shapes.items()}
