"""Where a vision transformer looks: attention of every block, plain or weighted by its gradient."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from indexer.encoders.device import autocasting, computing
from indexer.encoders.hooks import maps_of, recording
from indexer.encoders.vit import HookedViT
from indexer.errors import EncoderError
from indexer.types import Float32, UInt8

Score = Callable[[Tensor], Tensor]
"""From logits (1, labels) to the one number whose causes are asked for."""


@dataclass(frozen=True)
class Attention:
    """Attention of one picture, averaged over heads, and the class token it led to.

    ``maps`` (blocks, T, T) float32: row i says from which tokens token i took. ``prefix`` tokens
    (class, registers) come before the patches. ``cls`` (D,) float32.
    """

    maps: Float32
    prefix: int
    cls: Float32


def attend(encoder: HookedViT, image: UInt8) -> Attention:
    """Return the attention of one picture (size, size, 3) uint8 in every block."""
    with computing(encoder.device, encoder.precision):
        maps, cls = _run(encoder, encoder.pixels_of(image[None]))
        means = torch.stack([one[0].float().mean(dim=0) for one in maps])
    return _attention(encoder, means, cls)


def attend_for(encoder: HookedViT, image: UInt8, score: Score) -> Attention:
    """Return the part of the attention that raises ``score`` of the head's logits.

    That is the mean over heads of the positive part of gradient times attention (Chefer, Gur &
    Wolf 2021, "Generic Attention-model Explainability", equation 5). Raise EncoderError for an
    encoder without a head.
    """
    encoder.head_weights()
    with autocasting(encoder.device, encoder.precision), torch.enable_grad():
        pixels = encoder.pixels_of(image[None]).requires_grad_(True)
        maps, cls = _run(encoder, pixels)
        assert encoder.parts.head is not None
        with torch.autocast(encoder.device, enabled=False):
            target = score(encoder.parts.head(cls.float())).sum()
        gradients = torch.autograd.grad(target, maps)
        pairs = zip(maps, gradients, strict=True)
        means = torch.stack([(m * g)[0].float().clamp(min=0).mean(dim=0) for m, g in pairs])
    return _attention(encoder, means, cls)


def _run(encoder: HookedViT, pixels: Tensor) -> tuple[list[Tensor], Tensor]:
    parts = encoder.parts
    with encoder.eager(), recording(parts.maps) as outputs:
        tokens = parts.run(pixels)
    maps = maps_of(outputs)
    if len(maps) != encoder.depth:
        raise EncoderError(
            f"expected the attention of {encoder.depth} blocks from {encoder.spec.name}, "
            f"got {len(maps)}; this model keeps it to itself, use --method patch-logit"
        )
    return maps, parts.pool(tokens)


def _attention(encoder: HookedViT, means: Tensor, cls: Tensor) -> Attention:
    maps = means.detach().to("cpu", torch.float32).numpy()
    if not np.isfinite(maps).all():
        raise EncoderError(
            f"{encoder.spec.name} in {encoder.precision}: NaN among its attention; "
            "try --precision fp32"
        )
    token = cls.detach()[0].to("cpu", torch.float32).numpy()
    return Attention(maps=maps, prefix=encoder.parts.prefix, cls=token)
