"""A seeded tiny vision transformer saved in Hugging Face layout, for the torch path."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

SIZE = 32
PROCESSOR: dict[str, Any] = {
    "image_processor_type": "ViTImageProcessor",
    "do_resize": True,
    "size": {"height": SIZE, "width": SIZE},
    "resample": 3,
    "do_rescale": True,
    "rescale_factor": 1 / 255,
    "do_normalize": True,
    "image_mean": [0.5, 0.5, 0.5],
    "image_std": [0.5, 0.5, 0.5],
}


def tiny_config(**changes: Any) -> Any:
    """Return a `ViTConfig`: hidden 48, 2 layers, 3 heads, patch 8, 32 px; no labels."""
    from transformers.models.vit.configuration_vit import ViTConfig

    values: dict[str, Any] = {
        "hidden_size": 48,
        "num_hidden_layers": 2,
        "num_attention_heads": 3,
        "intermediate_size": 96,
        "image_size": SIZE,
        "patch_size": 8,
        "layer_norm_eps": 1e-6,
        "num_labels": 0,
    }
    return ViTConfig(**(values | changes))


def tiny_model(*, seed: int = 0, **changes: Any) -> Any:
    """Return a seeded `ViTForImageClassification` in eval mode with every tensor away from 0."""
    import torch
    from transformers.models.vit.modeling_vit import ViTForImageClassification

    model = ViTForImageClassification(tiny_config(**changes)).eval()
    generator = torch.Generator().manual_seed(seed)
    for name, tensor in model.named_parameters():
        noise = torch.randn(tensor.shape, generator=generator) * 0.15
        tensor.data = noise + (1.0 if "norm" in name and name.endswith("weight") else 0.0)
    return model


def write_tiny_vit(folder: Path, *, seed: int = 0, **changes: Any) -> Path:
    """Save a tiny model as `config.json`, `preprocessor_config.json`, `model.safetensors`."""
    folder.mkdir(parents=True, exist_ok=True)
    tiny_model(seed=seed, **changes).save_pretrained(folder)
    (folder / "preprocessor_config.json").write_text(json.dumps(PROCESSOR, indent=1))
    return folder
