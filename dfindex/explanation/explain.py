"""Show where an encoder looks in a picture: a map over its patches, and what stands out in it."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from indexer.encoders.deferred import Deferred
from indexer.encoders.own_head import declared_fake_index, log_odds, orientation, probability
from indexer.errors import EncoderError, UsageError
from indexer.media.image import decode_file
from indexer.preprocess import needed, prepare
from indexer.preprocess_views import seen_box
from indexer.store.catalog.orientations import OrientationFinding
from indexer.types import Encoder, EncoderSpec, Float32, Head, UInt8
from probes.maps import patch_logits, top_regions
from probes.rollout import gradient_rollout, rollout

if TYPE_CHECKING:
    from torch import Tensor

    from indexer.encoders.vit import HookedViT


class ExplanationMethod(StrEnum):
    """How a map is made."""

    ROLLOUT = "rollout"
    GRAD_ROLLOUT = "grad-rollout"
    PATCH_LOGIT = "patch-logit"


@dataclass(frozen=True, kw_only=True)
class TopRegion:
    """A part of the picture that stands out: ``box`` x, y, width, height in its pixels.

    ``share`` is its part of everything positive in the map, ``peak`` its highest value.
    """

    box: tuple[int, int, int, int]
    share: float
    peak: float


@dataclass(frozen=True, kw_only=True)
class Explanation:
    """A map over a picture's patches, and what it rests on.

    ``values`` (rows, columns) float32 lies over ``seen`` (x, y, width, height), the part of the
    picture that the encoder was shown. ``logit`` is the log-odds of fake, None without a head.
    """

    path: str
    width: int
    height: int
    encoder: str
    preset: str
    orientation: str
    method: str
    block: int
    logit: float | None
    probability_fake: float | None
    grid: tuple[int, int]
    seen: tuple[float, float, float, float]
    top_regions: tuple[TopRegion, ...]
    values: Float32 = field(repr=False)
    picture: Image.Image = field(repr=False)

    def to_json(self) -> dict[str, Any]:
        """Return what can be said in words and figures."""
        hidden = ("values", "picture")
        return {name: value for name, value in vars(self).items() if name not in hidden}


def explain(
    path: Path,
    encoder: Encoder,
    *,
    method: ExplanationMethod = ExplanationMethod.ROLLOUT,
    block: int = -1,
    finding: OrientationFinding | None = None,
) -> Explanation:
    """Return where an encoder looks in a picture.

    ``block`` -1 is the whole model, another number follows attention from that block only, or
    applies the head to that block's tokens. ``finding`` turns an inverted head round. Raise
    MediaError where the picture cannot be read, EncoderError where the encoder has no head and
    the method needs one.
    """
    model = _vit(encoder)
    spec = model.spec
    if not 1 <= abs(block) <= model.depth:
        raise UsageError(f"expected a block from 1 to {model.depth}, or -1, got {block}")
    decoded = decode_file(path, at_least=needed(spec.preset))
    pixels = prepare(decoded.image, spec.preset)
    turned = -1 if finding and finding.finding == "inverted" else 1
    values, odds = _METHODS[method](model, pixels, block, turned)
    grid = spec.patch_grid
    mapped = values.reshape(grid)
    seen = seen_box(decoded.width, decoded.height, spec.preset)
    return Explanation(
        path=str(path),
        width=decoded.width,
        height=decoded.height,
        encoder=spec.name,
        preset=spec.preset.name,
        orientation=str(finding.finding) if finding else _declared(spec),
        method=method.value,
        block=block,
        logit=odds,
        probability_fake=None if odds is None else probability(odds),
        grid=grid,
        seen=seen,
        top_regions=regions(mapped, seen),
        values=mapped,
        picture=decoded.image,
    )


def _rollout(
    model: HookedViT, pixels: UInt8, block: int, turned: int
) -> tuple[Float32, float | None]:
    from indexer.encoders.attention import attend

    seen = attend(model, pixels)
    maps = seen.maps[: _blocks(model, block)]
    return rollout(maps, prefix=seen.prefix), _odds_of(model, seen.cls, turned)


def _grad_rollout(
    model: HookedViT, pixels: UInt8, block: int, turned: int
) -> tuple[Float32, float | None]:
    from indexer.encoders.attention import attend_for

    fake = declared_fake_index(model.spec)

    def score(logits: Tensor) -> Tensor:
        odds = logits[:, 0] if logits.shape[1] == 1 else logits[:, fake] - logits[:, 1 - fake]
        return turned * odds

    seen = attend_for(model, pixels, score)
    maps = seen.maps[: _blocks(model, block)]
    return gradient_rollout(maps, prefix=seen.prefix), _odds_of(model, seen.cls, turned)


def _patch_logit(
    model: HookedViT, pixels: UInt8, block: int, turned: int
) -> tuple[Float32, float | None]:
    weights, bias = _fake_direction(model)
    features = model.normed_features(pixels[None], layer=block)
    values = turned * patch_logits(features.patches[0], weights, bias)
    return values, _odds_of(model, features.cls[0], turned)


_METHODS = {
    ExplanationMethod.ROLLOUT: _rollout,
    ExplanationMethod.GRAD_ROLLOUT: _grad_rollout,
    ExplanationMethod.PATCH_LOGIT: _patch_logit,
}


def _vit(encoder: Encoder) -> HookedViT:
    from indexer.encoders.vit import HookedViT

    loaded = encoder.loaded if isinstance(encoder, Deferred) else encoder
    if not isinstance(loaded, HookedViT):
        raise EncoderError(
            f"expected a vision transformer to look into, got {encoder.spec.name}; "
            "use --encoder with a model's folder"
        )
    return loaded


def _blocks(model: HookedViT, block: int) -> int:
    return block if block > 0 else model.depth + 1 + block


def _fake_direction(model: HookedViT) -> tuple[Float32, float]:
    """Return w (D,) and b so that the log-odds of fake are w . cls + b."""
    weights, bias = model.head_weights()
    if len(weights) == 1:
        return weights[0], float(bias[0])
    fake = declared_fake_index(model.spec)
    return weights[fake] - weights[1 - fake], float(bias[fake] - bias[1 - fake])


def _odds_of(model: HookedViT, cls: Float32, turned: int) -> float | None:
    if model.spec.head is Head.NONE:
        return None
    weights, bias = model.head_weights()
    logits = (weights @ cls + bias).astype(np.float32)
    return turned * float(log_odds(model.spec, logits[None])[0])


def _declared(spec: EncoderSpec) -> str:
    return "none" if spec.head is Head.NONE else orientation(spec)


def regions(values: Float32, seen: tuple[float, float, float, float]) -> tuple[TopRegion, ...]:
    """Return what stands out in a map that lies over ``seen``, in pixels of the picture."""
    x, y, width, height = seen
    down, across = height / values.shape[0], width / values.shape[1]
    return tuple(
        TopRegion(
            box=(
                round(x + left * across),
                round(y + top * down),
                round(columns * across),
                round(rows * down),
            ),
            share=region.share,
            peak=region.peak,
        )
        for region in top_regions(values)
        for left, top, columns, rows in [region.box]
    )
