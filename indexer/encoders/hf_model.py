"""Turn a weight file into a Hugging Face model: the border to transformers and safetensors."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from indexer.encoders import layouts, weights
from indexer.encoders.architecture import (
    Architecture,
    Shapes,
    from_hf_config,
    from_timm_shapes,
    hf_shapes,
    timm_shapes,
)
from indexer.errors import EncoderError, WeightsError
from indexer.types import Layout
from indexer.untrusted_json import shown

if TYPE_CHECKING:
    from torch import Tensor, nn


@dataclass(frozen=True)
class Checkpoint:
    """A weight file whose tensors are known to be those its architecture declares."""

    path: Path
    layout: Layout
    architecture: Architecture
    header: weights.Header | None  # None: a pickle, read by explicit wish
    tensors: dict[str, Tensor] | None = None


def inspect(path: Path, config: Mapping[str, Any], *, name: str) -> Checkpoint:
    """Check a weight file against its configuration; reads headers only, except of a pickle."""
    pickled = path.suffix != ".safetensors"
    tensors = weights.read_pickle(path) if pickled else None
    header = None if pickled else weights.read_header(path)
    shapes = header.shapes if header else {k: tuple(t.shape) for k, t in (tensors or {}).items()}
    layout = layouts.recognise(shapes)
    named = layouts.bare_shapes(shapes, layout)
    if layout is Layout.HF_VIT and config.get("architectures") == ["ViTModel"]:
        named = {k: s for k, s in named.items() if not k.startswith("pooler.")}
    architecture = _architecture(named, layout, config)
    layouts.refuse_broken_export(architecture)
    expected = hf_shapes if layout is Layout.HF_VIT else timm_shapes
    weights.require_shapes(named, expected(architecture), name=name)
    return Checkpoint(path, layout, architecture, header, tensors)


def _architecture(shapes: Shapes, layout: Layout, config: Mapping[str, Any]) -> Architecture:
    if layout is not Layout.HF_VIT:
        return from_timm_shapes(shapes, config)
    if config.get("model_type", "vit") != "vit":
        raise EncoderError(
            f"expected a configuration of model_type vit, got {shown(config['model_type'])}; "
            "this version reads plain vision transformers"
        )
    return from_hf_config(config, labels_on_disk=shapes.get("classifier.weight", (0,))[0])


def build(checkpoint: Checkpoint) -> nn.Module:
    """Read the tensors and put them into a `ViTForImageClassification`, strictly."""
    on_disk = hf_tensors(checkpoint)
    model = empty_model(checkpoint.architecture)
    state = layouts.in_memory(on_disk, names=model.state_dict())
    try:
        model.load_state_dict(state, strict=True, assign=True)
    except RuntimeError as error:
        raise EncoderError(
            f"this version of transformers names a ViT's modules in an unknown way ({error}); "
            "install one that pyproject.toml allows"
        ) from error
    return model


def hf_tensors(checkpoint: Checkpoint) -> dict[str, Tensor]:
    """Read the tensors, and name them as Hugging Face does on disk, without a pooler."""
    tensors = checkpoint.tensors
    if checkpoint.header is not None:
        tensors = weights.read_tensors(checkpoint.header)
    if not tensors:
        raise WeightsError(f"{checkpoint.path.name}: expected tensors, found none")
    if checkpoint.layout is Layout.HF_VIT:
        return {layouts.hf_name(k): t for k, t in tensors.items() if "pooler." not in k}
    return layouts.timm_to_hf({layouts.timm_name(k): t for k, t in tensors.items()})


def empty_model(architecture: Architecture) -> nn.Module:
    """Build the model without memory and without random numbers: its tensors come from a file."""
    with transformers_border():
        import torch
        from transformers.models.vit.configuration_vit import ViTConfig
        from transformers.models.vit.modeling_vit import ViTForImageClassification

    config = ViTConfig(
        hidden_size=architecture.hidden,
        num_hidden_layers=architecture.depth,
        num_attention_heads=architecture.heads,
        intermediate_size=architecture.mlp,
        patch_size=architecture.patch,
        image_size=architecture.image,
        num_labels=architecture.labels,
        layer_norm_eps=architecture.eps,
        hidden_act=architecture.activation,
        qkv_bias=architecture.qkv_bias,
        attn_implementation="sdpa",
    )
    try:
        with torch.device("meta"):
            model: nn.Module = ViTForImageClassification(config)
    except KeyError as error:
        raise EncoderError(f"config.json: hidden_act {error} is unknown to transformers") from error
    return model.eval()


@contextmanager
def transformers_border() -> Iterator[None]:
    """Translate what a broken installation raises at import into one line that names the cure."""
    try:
        yield
    except (ImportError, RuntimeError, AttributeError, OSError) as error:
        if "torchvision" in _whole_story(error):
            raise EncoderError(
                "torch and torchvision come from different builds and cannot work together; "
                "install both again from the same index in one command, e.g. "
                "pip install --force-reinstall torch torchvision"
            ) from error
        raise EncoderError(f"transformers cannot be imported: {error}; install it again") from error


def _whole_story(error: BaseException | None) -> str:
    lines = []
    while error is not None:
        lines.append(str(error))
        error = error.__cause__ or error.__context__
    return "\n".join(lines)
