"""The vision transformer as it is trained, and its tensors under Hugging Face's names."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from training.geometry import PATCH

State = dict[str, Tensor]
POSITIONS = "vit.embeddings.position_embeddings"
LAYER = "vit.encoder.layer"
EPSILON = 1e-6


@dataclass(frozen=True)
class Shape:
    """The size of a model; ``image`` is the side of its input in pixels."""

    depth: int = 6
    image: int = 112
    hidden: int = 384
    heads: int = 6
    mlp: int = 1536


class Block(nn.Module):
    """One pre-norm transformer block.

    Short sequences: plain batched products are faster here than fused attention on a CPU.
    """

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.heads = shape.heads
        self.before = nn.LayerNorm(shape.hidden, eps=EPSILON)
        self.after = nn.LayerNorm(shape.hidden, eps=EPSILON)
        self.qkv = nn.Linear(shape.hidden, 3 * shape.hidden)
        self.out = nn.Linear(shape.hidden, shape.hidden)
        self.up = nn.Linear(shape.hidden, shape.mlp)
        self.down = nn.Linear(shape.mlp, shape.hidden)

    def forward(self, tokens: Tensor) -> Tensor:
        """Mix (b, t, d) tokens."""
        batch, count, hidden = tokens.shape
        side = hidden // self.heads
        split = self.qkv(self.before(tokens)).view(batch, count, 3, self.heads, side)
        query, key, value = (
            split.permute(2, 0, 3, 1, 4).reshape(3, batch * self.heads, count, side).unbind(0)
        )
        attention = torch.bmm(query * side**-0.5, key.transpose(1, 2)).softmax(-1)
        mixed = torch.bmm(attention, value).view(batch, self.heads, count, side)
        tokens = tokens + self.out(mixed.transpose(1, 2).reshape(batch, count, hidden))
        return tokens + cast(Tensor, self.down(F.gelu(self.up(self.after(tokens)))))


class CopyViT(nn.Module):
    """Patches to tokens; the class token comes first, all after the final LayerNorm."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.patches = nn.Linear(3 * PATCH * PATCH, shape.hidden)
        tokens = (shape.image // PATCH) ** 2 + 1
        self.positions = nn.Parameter(torch.randn(1, tokens, shape.hidden) * 0.02)
        self.token = nn.Parameter(torch.randn(1, 1, shape.hidden) * 0.02)
        self.blocks = nn.ModuleList(Block(shape) for _ in range(shape.depth))
        self.norm = nn.LayerNorm(shape.hidden, eps=EPSILON)
        for name, module in self.named_modules():
            if isinstance(module, nn.Linear):
                last = name.endswith(("out", "down"))
                std = 0.02 / math.sqrt(2 * shape.depth) if last else 0.02
                nn.init.trunc_normal_(module.weight, std=std)
                nn.init.zeros_(module.bias)

    def forward(self, pixels: Tensor) -> Tensor:
        """Map (b, 3, s, s) pixels in -1..1 to (b, 1 + patches, hidden) tokens."""
        batch, _, size, _ = pixels.shape
        grid = size // PATCH
        cut = pixels.view(batch, 3, grid, PATCH, grid, PATCH).permute(0, 2, 4, 1, 3, 5)
        tokens = self.patches(cut.reshape(batch, grid * grid, -1))
        tokens = torch.cat([self.token.expand(batch, -1, -1), tokens], 1) + self.positions
        for block in self.blocks:
            tokens = block(tokens)
        return cast(Tensor, self.norm(tokens))


_BLOCK_NAMES = {
    "before": "layernorm_before",
    "after": "layernorm_after",
    "out": "attention.output.dense",
    "up": "intermediate.dense",
    "down": "output.dense",
}
_PARTS = ("query", "key", "value")
_ENDINGS = ("weight", "bias")


def to_hugging_face(state: State) -> State:
    """Rename a `CopyViT` state to the names a ViT checkpoint has on disk."""
    hidden = state["norm.weight"].shape[0]
    renamed = {
        "vit.embeddings.cls_token": state["token"],
        POSITIONS: state["positions"],
        "vit.embeddings.patch_embeddings.projection.weight": state["patches.weight"].reshape(
            hidden, 3, PATCH, PATCH
        ),
        "vit.embeddings.patch_embeddings.projection.bias": state["patches.bias"],
    }
    for ending in _ENDINGS:
        renamed[f"vit.layernorm.{ending}"] = state[f"norm.{ending}"]
        for block in range(depth_of(state)):
            ours, theirs = f"blocks.{block}", f"{LAYER}.{block}"
            for name, target in _BLOCK_NAMES.items():
                renamed[f"{theirs}.{target}.{ending}"] = state[f"{ours}.{name}.{ending}"]
            thirds = state[f"{ours}.qkv.{ending}"].chunk(3)
            for part, rows in zip(_PARTS, thirds, strict=True):
                renamed[f"{theirs}.attention.attention.{part}.{ending}"] = rows
    return {name: tensor.contiguous() for name, tensor in renamed.items()}


def from_hugging_face(tensors: State) -> State:
    """Undo `to_hugging_face`: the state of a `CopyViT` in float32."""
    projection = tensors["vit.embeddings.patch_embeddings.projection.weight"]
    state = {
        "token": tensors["vit.embeddings.cls_token"],
        "positions": tensors[POSITIONS],
        "patches.weight": projection.flatten(1),
        "patches.bias": tensors["vit.embeddings.patch_embeddings.projection.bias"],
    }
    depth = len({name.split(".")[3] for name in tensors if name.startswith(f"{LAYER}.")})
    for ending in _ENDINGS:
        state[f"norm.{ending}"] = tensors[f"vit.layernorm.{ending}"]
        for block in range(depth):
            ours, theirs = f"blocks.{block}", f"{LAYER}.{block}"
            for name, target in _BLOCK_NAMES.items():
                state[f"{ours}.{name}.{ending}"] = tensors[f"{theirs}.{target}.{ending}"]
            parts = [tensors[f"{theirs}.attention.attention.{p}.{ending}"] for p in _PARTS]
            state[f"{ours}.qkv.{ending}"] = torch.cat(parts)
    return {name: tensor.float().contiguous() for name, tensor in state.items()}


def depth_of(state: State) -> int:
    """Count the blocks in a `CopyViT` state."""
    return len({name.split(".")[1] for name in state if name.startswith("blocks.")})


def image_of(state: State) -> int:
    """Return the input side in pixels that the position embeddings of a state are for."""
    return math.isqrt(state["positions"].shape[1] - 1) * PATCH


def resize_positions(positions: Tensor, image: int) -> Tensor:
    """Interpolate (1, 1 + n, d) position embeddings to another input side; class token as is."""
    old, new = math.isqrt(positions.shape[1] - 1), image // PATCH
    if old == new:
        return positions
    grid = positions[:, 1:].transpose(1, 2).reshape(1, -1, old, old)
    scaled = F.interpolate(grid, size=(new, new), mode="bilinear", align_corners=False)
    return torch.cat([positions[:, :1], scaled.flatten(2).transpose(1, 2)], 1)


def resize_state(state: State, image: int) -> State:
    """Return the state with its position embeddings made for another input side."""
    return {**state, "positions": resize_positions(state["positions"], image)}


def build(state: State) -> CopyViT:
    """Build the model a state belongs to, with its values, strictly."""
    model = CopyViT(Shape(depth=depth_of(state), image=image_of(state)))
    model.load_state_dict(state, strict=True)
    return model


def hugging_face_config(state: State) -> dict[str, Any]:
    """Return the arguments of the `transformers.ViTConfig` that describes a state."""
    shape = Shape()
    return {
        "hidden_size": shape.hidden,
        "num_hidden_layers": depth_of(state),
        "num_attention_heads": shape.heads,
        "intermediate_size": shape.mlp,
        "image_size": image_of(state),
        "patch_size": PATCH,
        "layer_norm_eps": EPSILON,
        "num_labels": 0,
    }
