"""Vision transformers of other designs, as frozen backbones: timm's, and Hugging Face's towers.

DINOv2 and DINOv3, SigLIP, CLIP, PE and whatever else timm builds by the name in its config.json.
Their class token is what the model itself pools to. No head of theirs is believed to know fakes.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from indexer.encoders import weights
from indexer.encoders.architecture import DEEPEST, LARGEST, Shapes
from indexer.encoders.hf_model import transformers_border
from indexer.errors import EncoderError, WeightsError
from indexer.types import Layout
from indexer.untrusted_json import MISFITS, shown, whole

if TYPE_CHECKING:
    from torch import nn

TOWERS = {
    "clip": Layout.CLIP,
    "clip_vision_model": Layout.CLIP,
    "dinov2": Layout.HF,
    "dinov2_with_registers": Layout.HF,
    "dinov3_vit": Layout.HF,
    "siglip": Layout.HF,
    "siglip_vision_model": Layout.HF,
}
_NAME = re.compile(r"[A-Za-z0-9_.]{1,100}")
_OTHER_FILES = {
    "cache_dir",
    "checkpoint_path",
    "pretrained",
    "pretrained_cfg",
    "pretrained_cfg_overlay",
    "scriptable",
}
_LONGEST = 100  # characters of a name in a message
_TEXT_HALF = ("text_model.", "text_projection.", "visual_projection.", "logit_")


@dataclass(frozen=True)
class Backbone:
    """A model of another design: what a spec must say of it, and what builds it."""

    layout: Layout
    dim: int
    image: int
    patch: int
    build: Callable[[], nn.Module]

    @property
    def grid(self) -> tuple[int, int]:
        """Patches down and across."""
        return self.image // self.patch, self.image // self.patch


def is_foreign(config: Mapping[str, Any]) -> bool:
    """Tell whether a config.json is of a design other than the plain ViT's."""
    return isinstance(config.get("architecture"), str) or str(config.get("model_type")) in TOWERS


def backbone(path: Path, config: Mapping[str, Any]) -> Backbone:
    """Describe a model from its configuration and the header of its weights; no torch.

    Raise EncoderError where the configuration is of no design that is known.
    """
    if path.suffix != ".safetensors":
        raise WeightsError(f"{path.name}: expected safetensors for a model of this design")
    header = weights.read_header(path)
    try:
        if isinstance(config.get("architecture"), str):
            return _timm(header, config)
        return _tower(header, config)
    except (KeyError, TypeError, ValueError) as error:
        raise EncoderError(f"config.json: {shown(error)} is missing or no size") from error


def _timm(header: weights.Header, config: Mapping[str, Any]) -> Backbone:
    name = str(config["architecture"])[:_LONGEST]
    shape = header.shapes.get("patch_embed.proj.weight")
    if shape is None or len(shape) != 4 or min(shape) < 1:
        raise WeightsError(
            f"expected timm's vision transformer {name}, but there is no such "
            "patch_embed.proj.weight among its tensors; dfindex reads vision transformers only"
        )
    size = whole(config["pretrained_cfg"]["input_size"][-1], most=LARGEST)
    _check_arguments(header, config)
    return Backbone(
        layout=Layout.TIMM,
        dim=shape[0],
        image=size,
        patch=shape[-1],
        build=lambda: _build_timm(header, config, size),
    )


def _check_arguments(header: weights.Header, config: Mapping[str, Any]) -> None:
    """Refuse what would make timm read other files than these, or build without end."""
    arguments = dict(config.get("model_args") or {})
    if not _NAME.fullmatch(str(config["architecture"])) or _OTHER_FILES & arguments.keys():
        raise EncoderError(
            "config.json: expected a model by the name timm has for it, and no arguments that "
            f"name other files, got {shown(config['architecture'])} with {shown(list(arguments))}"
        )
    for value in arguments.values():
        if type(value) is int:
            whole(value, most=LARGEST)
    whole(arguments.get("depth", 1), most=min(DEEPEST, len(header.shapes)))


def _build_timm(header: weights.Header, config: Mapping[str, Any], size: int) -> nn.Module:
    import torch

    name = str(config["architecture"])
    with torch.device("meta"):  # which takes no memory, whatever sizes are asked for
        empty = _timm_model(config, size)
    persistent = {key: tuple(tensor.shape) for key, tensor in empty.state_dict().items()}
    weights.require_shapes(header.shapes, persistent, name=name)
    model = _timm_model(config, size)
    with torch.no_grad():
        model.load_state_dict(weights.read_tensors(header), strict=True)
    return model.eval()


def _timm_model(config: Mapping[str, Any], size: int) -> nn.Module:
    import timm

    name = str(config["architecture"])
    arguments: dict[str, Any] = dict(config.get("model_args") or {})
    arguments.setdefault("img_size", size)
    if config.get("global_pool"):
        arguments.setdefault("global_pool", config["global_pool"])
    labels = whole(config.get("num_classes", 0), most=LARGEST)
    try:
        model: nn.Module = timm.create_model(
            name, pretrained=False, num_classes=labels, **arguments
        )
    except (RuntimeError, *MISFITS) as error:
        raise EncoderError(
            f"timm cannot build {name}: {shown(error)}; install a newer timm"
        ) from error
    return model


def _tower(header: weights.Header, config: Mapping[str, Any]) -> Backbone:
    kind = str(config["model_type"])
    sizes = config.get("vision_config", config)
    dim, image, patch = (
        whole(sizes[name], most=LARGEST) for name in ("hidden_size", "image_size", "patch_size")
    )
    _check_sizes(header, sizes, (image // patch) ** 2 if kind != "dinov3_vit" else 1)
    return Backbone(
        layout=TOWERS[kind],
        dim=dim,
        image=image,
        patch=patch,
        build=lambda: _load_tower(header, kind),
    )


def _check_sizes(header: weights.Header, sizes: Mapping[str, Any], positions: int) -> None:
    """Refuse sizes whose tensors would hold more numbers than the weights do."""
    there = sum(math.prod(shape) for shape in header.shapes.values())
    hidden = sizes["hidden_size"]
    depth = whole(sizes.get("num_hidden_layers", 1), most=DEEPEST)
    registers = whole(sizes.get("num_register_tokens") or 0, most=LARGEST)
    mlp = whole(sizes.get("intermediate_size", hidden), most=LARGEST)
    channels = whole(sizes.get("num_channels", 3), most=LARGEST)
    widest = max(depth * hidden, depth * mlp, registers, positions, channels * sizes["patch_size"])
    if hidden * widest > there:
        raise WeightsError(
            f"{header.path.name}: expected the tensors that config.json declares, got {there} "
            "numbers in all, which are too few; get weights and config.json from the same revision"
        )


def _load_tower(header: weights.Header, kind: str) -> nn.Module:
    """Have transformers read a folder, which knows the names of every version, and hold it to it.

    Nothing may be missing, nothing unexpected but the text half of a model of two.
    """
    weights.read_tensors(header)  # damage, NaN and infinity are told before anything is built
    with transformers_border():
        import torch
        from transformers import AutoModel, CLIPVisionModel, SiglipVisionModel

        halves = {"clip": CLIPVisionModel, "siglip": SiglipVisionModel}
    loader = halves.get(kind.removesuffix("_vision_model"), AutoModel)
    model, found = loader.from_pretrained(
        header.path.parent,
        local_files_only=True,
        use_safetensors=True,
        trust_remote_code=False,
        output_loading_info=True,
        dtype=torch.float32,
        attn_implementation="sdpa",
    )
    missing = sorted(found["missing_keys"])
    extra = [key for key in sorted(found["unexpected_keys"]) if not key.startswith(_TEXT_HALF)]
    if missing or extra or found["mismatched_keys"]:
        raise WeightsError(
            f"{header.path.name}: expected the tensors of a {kind}, got {len(missing)} missing, "
            f"{len(extra)} unexpected, {len(found['mismatched_keys'])} of another shape "
            f"({', '.join((missing + extra)[:3])}); get weights and config.json from the same "
            "revision"
        )
    tower: nn.Module = model.eval()
    return tower


def clip_tower(tensors: Mapping[str, Any], config: Mapping[str, Any], *, name: str) -> nn.Module:
    """Build a CLIP vision tower and put tensors into it, strictly."""
    with transformers_border():
        from transformers import CLIPVisionConfig, CLIPVisionModel

        model: nn.Module = CLIPVisionModel(CLIPVisionConfig(**config, attn_implementation="sdpa"))
    wanted = model.state_dict()
    prefixed = any(key.startswith("vision_model.") for key in wanted)
    named = {
        (f"vision_model.{key}" if prefixed else key): value
        for key, value in ((k.removeprefix("vision_model."), v) for k, v in tensors.items())
    }
    weights.require_shapes(_shapes(named), _shapes(wanted), name=name)
    model.load_state_dict(named, strict=True)
    return model.eval()


def _shapes(tensors: Mapping[str, Any]) -> Shapes:
    return {key: tuple(value.shape) for key, value in tensors.items()}
