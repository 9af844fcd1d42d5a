"""Find the parts of a vision transformer, whoever wrote its class: blocks, final norm, head."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from indexer.errors import EncoderError


@dataclass(frozen=True, kw_only=True)
class Anatomy:
    """The parts that hooks hold on to.

    ``run`` computes tokens from pixels and stops before the head; ``eager`` is a context in which
    attention maps exist; ``maps`` are modules whose output is, or holds, a block's attention map;
    ``prefix`` tokens (class, then registers) come before the patches.
    """

    blocks: tuple[nn.Module, ...]
    norm: nn.Module
    head: nn.Linear | None
    maps: tuple[nn.Module, ...]
    prefix: int
    run: Callable[[Tensor], object]
    eager: Callable[[], AbstractContextManager[None]]


def dissect(model: nn.Module) -> Anatomy:
    """Return the parts of a Hugging Face `ViTForImageClassification` or a timm ViT."""
    if hasattr(model, "vit") and hasattr(model, "classifier"):
        return _hugging_face(model)
    if hasattr(model, "blocks") and hasattr(model, "patch_embed"):
        return _timm(model)
    raise EncoderError(
        "expected a Hugging Face ViTForImageClassification or a timm VisionTransformer, "
        f"got {type(model).__name__}"
    )


def _hugging_face(model: Any) -> Anatomy:
    tower = model.vit
    # The blocks are the longest list of modules, whatever this version calls it.
    lists = [list(m) for m in tower.modules() if isinstance(m, nn.ModuleList)]
    blocks = tuple(sorted(lists, key=len)[-1])
    maps = [m for b in blocks for m in b.modules() if type(m).__name__.endswith("Attention")]
    return Anatomy(
        blocks=blocks,
        norm=tower.layernorm,
        head=model.classifier if isinstance(model.classifier, nn.Linear) else None,
        maps=tuple(maps),
        prefix=1,
        run=lambda pixels: tower(pixel_values=pixels),
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


def _timm(model: Any) -> Anatomy:
    norm, head = model.norm, model.head
    if model.global_pool != "token" or not model.has_class_token:
        raise EncoderError(
            f"expected a timm ViT that reads its class token, got pooling {model.global_pool!r}"
        )
    if not isinstance(model.fc_norm, nn.Identity) or isinstance(norm, nn.Identity):
        raise EncoderError("expected a timm ViT whose last LayerNorm comes before its head alone")
    attentions = [block.attn for block in model.blocks]
    return Anatomy(
        blocks=tuple(model.blocks),
        norm=norm,
        head=head if isinstance(head, nn.Linear) else None,
        maps=tuple(attention.attn_drop for attention in attentions),
        prefix=model.num_prefix_tokens,
        run=model.forward_features,
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
