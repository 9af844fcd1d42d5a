"""Find the parts of a vision transformer, whoever wrote its class: blocks, final norm, head."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from indexer.errors import EncoderError


@dataclass(frozen=True, kw_only=True)
class ModelParts:
    """The parts that hooks hold on to.

    ``run`` computes tokens from pixels, behind the final ``norm``, and stops before the head;
    ``pool`` makes of those tokens (B, T, D) the one (B, D) that the head reads; ``eager`` is a
    context in which attention maps exist; ``maps`` are modules whose output is, or holds, a
    block's attention map; ``prefix`` tokens (class, then registers) come before the patches.
    """

    blocks: tuple[nn.Module, ...]
    norm: nn.Module
    head: nn.Linear | None
    maps: tuple[nn.Module, ...]
    prefix: int
    run: Callable[[Tensor], Tensor]
    pool: Callable[[Tensor], Tensor]
    eager: Callable[[], AbstractContextManager[None]]


def find_parts(model: nn.Module) -> ModelParts:
    """Return the parts of a Hugging Face `ViTForImageClassification` or a timm ViT."""
    if hasattr(model, "vit") and hasattr(model, "classifier"):
        return _hugging_face(model)
    if hasattr(model, "blocks") and hasattr(model, "patch_embed"):
        return _timm(model)
    if hasattr(model, "config") and hasattr(model, "set_attn_implementation"):
        return _hugging_face_backbone(model)
    raise EncoderError(
        "expected a vision transformer of Hugging Face's or a timm VisionTransformer, "
        f"got {type(model).__name__}"
    )


def _hugging_face(model: Any) -> ModelParts:
    tower = model.vit
    blocks, maps = _blocks_and_maps(tower)
    return ModelParts(
        blocks=blocks,
        norm=tower.layernorm,
        head=model.classifier if isinstance(model.classifier, nn.Linear) else None,
        maps=maps,
        prefix=1,
        run=lambda pixels: tower(pixel_values=pixels).last_hidden_state,
        pool=_class_token,
        eager=lambda: _eager_hugging_face(model),
    )


def _blocks_and_maps(tower: nn.Module) -> tuple[tuple[nn.Module, ...], tuple[nn.Module, ...]]:
    # The blocks are the longest list of modules, whatever this version calls it.
    lists = [list(m) for m in tower.modules() if isinstance(m, nn.ModuleList)]
    blocks = tuple(sorted(lists, key=len)[-1])
    # Older versions wrap one attention into another; the inner one makes the map.
    maps = [m for b in blocks for m in b.modules() if _attends(m) and not _wraps_attention(m)]
    return blocks, tuple(maps)


def _attends(module: nn.Module) -> bool:
    return type(module).__name__.endswith("Attention")


def _wraps_attention(module: nn.Module) -> bool:
    return any(_attends(inner) for inner in module.modules() if inner is not module)


def _class_token(tokens: Tensor) -> Tensor:
    return tokens[:, 0]


def _hugging_face_backbone(model: Any) -> ModelParts:
    """Take apart DINOv2, DINOv3, CLIP and SigLIP towers: no head of ours, norms in many places."""
    tower = getattr(model, "vision_model", model)
    blocks, maps = _blocks_and_maps(tower)
    pooler = getattr(tower, "head", None)  # SigLIP's, which has no class token
    after = getattr(tower, "post_layernorm", None)
    norm = after or getattr(tower, "layernorm", None) or getattr(tower, "norm", None)
    if norm is None:
        raise EncoderError(f"expected a final LayerNorm in {type(model).__name__}, found none")
    clip = after is not None and pooler is None  # CLIP norms its class token alone
    resized = {"interpolate_pos_encoding": True} if after is not None else {}

    def run(pixels: Tensor) -> Tensor:
        tokens: Tensor = model(pixel_values=pixels, **resized).last_hidden_state
        return norm(tokens) if clip else tokens

    registers = int(getattr(model.config, "num_register_tokens", 0) or 0)
    return ModelParts(
        blocks=blocks,
        norm=norm,
        head=None,
        maps=maps,
        prefix=0 if pooler is not None else 1 + registers,
        run=run,
        pool=_class_token if pooler is None else pooler,
        eager=lambda: _eager_hugging_face(model),
    )


@contextmanager
def _eager_hugging_face(model: Any) -> Iterator[None]:
    before = model.config._attn_implementation
    model.set_attn_implementation("eager")
    try:
        yield
    finally:
        model.set_attn_implementation(before)


def _timm(model: Any) -> ModelParts:
    head = model.head
    attentions = [block.attn for block in model.blocks]
    return ModelParts(
        blocks=tuple(model.blocks),
        norm=model.norm,
        head=head if isinstance(head, nn.Linear) else None,
        maps=tuple(attention.attn_drop for attention in attentions),
        prefix=model.num_prefix_tokens,
        run=model.forward_features,
        pool=lambda tokens: model.forward_head(tokens, pre_logits=True),
        eager=lambda: _eager_timm(attentions),
    )


@contextmanager
def _eager_timm(attentions: list[Any]) -> Iterator[None]:
    before = [attention.fused_attn for attention in attentions]
    for attention in attentions:
        attention.fused_attn = False
    try:
        yield
    finally:
        for attention, fused in zip(attentions, before, strict=True):
            attention.fused_attn = fused
