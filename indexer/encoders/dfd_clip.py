"""The one part of Arko007/deepfake-detector-dfd-sota that is known: its frozen CLIP tower.

The adapters' design is not public: a hundred designs have their number of parameters, and tensors
that are read into a guess of it give random answers. So the tower becomes an encoder, where every
one of its tensors is there, and what is left over is listed; it is never called a detector.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from math import isqrt
from pathlib import Path
from typing import TYPE_CHECKING, Any

from indexer.encoders.weights import WEIGHTS_FILE, read_header, read_pickle, read_tensors
from indexer.errors import WeightsError
from indexer.store.durable import replace_file

if TYPE_CHECKING:
    from torch import Tensor

LAYERS = 24
READS = 384  # pixels: what the model was trained on, whatever its position table
HEAD_WIDTH = 64
LEFT_OVER = "left_over.json"
_TOWER = "vision_model."
_STATISTICS = {
    "image_mean": [0.48145466, 0.4578275, 0.40821073],
    "image_std": [0.26862954, 0.26130258, 0.27577711],
}


@dataclass(frozen=True)
class Parts:
    """A checkpoint taken apart: the tower's tensors, and the shapes of everything else."""

    tower: dict[str, Tensor]
    left_over: dict[str, tuple[int, ...]]


def take_tower(source: Path, folder: Path, *, layers: int = LAYERS) -> Parts:
    """Write the tower in ``source`` as a folder of its own that any encoder is loaded from.

    Reads model.safetensors, or else pytorch_model.bin with ``weights_only``: nothing in it is run.
    Raise WeightsError unless every tensor of the tower's ``layers`` layers is there.
    """
    from safetensors.torch import save

    from indexer.encoders.backbones import clip_tower

    parts = _taken_apart(_tensors(source))
    config = _config(parts, layers)
    clip_tower(parts.tower, config, name="dfd-clip")
    folder.mkdir(parents=True, exist_ok=True)
    named = {f"{_TOWER}{name}": tensor.contiguous() for name, tensor in parts.tower.items()}
    weights = save(named, metadata={"format": "pt"})
    _put(folder / WEIGHTS_FILE, weights)
    model = {"model_type": "clip_vision_model", "architectures": ["CLIPVisionModel"]}
    processor = {"size": {"shortest_edge": READS}, "crop_size": READS, "do_center_crop": True}
    for name, value in (
        ("config.json", model | config),
        ("preprocessor_config.json", processor | {"resample": 3} | _STATISTICS),
        (LEFT_OVER, {name: list(shape) for name, shape in parts.left_over.items()}),
    ):
        _put(folder / name, json.dumps(value, indent=1).encode())
    return parts


def _put(path: Path, data: bytes) -> None:
    replace_file(path, lambda file: file.write(data))


def _tensors(source: Path) -> Mapping[str, Tensor]:
    if (source / WEIGHTS_FILE).is_file():
        return read_tensors(read_header(source / WEIGHTS_FILE))
    pickle = source / "pytorch_model.bin"
    if not pickle.is_file():
        raise WeightsError(f"expected {pickle.name} or {WEIGHTS_FILE} in {source}, found neither")
    return read_pickle(pickle)


def _taken_apart(tensors: Mapping[str, Tensor]) -> Parts:
    tower: dict[str, Tensor] = {}
    left_over: dict[str, tuple[int, ...]] = {}
    for name, tensor in tensors.items():
        before, found, after = name.partition(_TOWER)
        if found and "adapter" not in after and not after.endswith("position_ids"):
            tower[after] = tensor
        else:
            left_over[name] = tuple(tensor.shape)
    return Parts(tower, left_over)


def _config(parts: Parts, layers: int) -> dict[str, Any]:
    present = {name.split(".")[2] for name in parts.tower if name.startswith("encoder.layers.")}
    try:
        if len(present) != layers:
            raise KeyError(f"{layers} layers, got {len(present)}")
        hidden, _, _, patch = parts.tower["embeddings.patch_embedding.weight"].shape
        positions = len(parts.tower["embeddings.position_embedding.weight"])
        mlp = len(parts.tower["encoder.layers.0.mlp.fc1.weight"])
    except (KeyError, ValueError) as error:
        first = ", ".join(sorted(parts.left_over)[:3]) or "nothing"
        raise WeightsError(
            f"dfd-clip: expected every tensor of a CLIP tower under {_TOWER}*: {error}; the file "
            f"begins with {first}. Without the whole tower it is no encoder"
        ) from error
    return {
        "hidden_size": hidden,
        "num_hidden_layers": layers,
        "num_attention_heads": max(1, hidden // HEAD_WIDTH),
        "intermediate_size": mlp,
        "patch_size": patch,
        "image_size": isqrt(positions - 1) * patch,
        "hidden_act": "quick_gelu",
        "projection_dim": hidden,
    }
