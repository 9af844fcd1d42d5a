"""Published forensic encoders, rebuilt from their configurations with seeded random weights."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

COMMFOR: dict[str, Any] = {  # buildborderless/CommunityForensics-DeepfakeDet-ViT, value by value
    "architectures": ["ViTForImageClassification"],
    "attention_probs_dropout_prob": 0.0,
    "hidden_act": "gelu",
    "hidden_dropout_prob": 0.0,
    "hidden_size": 384,
    "image_size": 384,
    "initializer_range": 0.02,
    "input_size": 384,
    "intermediate_size": 1536,
    "layer_norm_eps": 1e-06,
    "model_type": "vit",
    "num_attention_heads": 6,
    "num_channels": 3,
    "num_labels": 1,
    "num_hidden_layers": 12,
    "patch_size": 16,
    "qkv_bias": True,
    "torch_dtype": "float32",
    "transformers_version": "5.4.0",
}
COMMFOR_PROCESSOR: dict[str, Any] = {  # its preprocessor_config.json
    "do_normalize": True,
    "do_resize": True,
    "do_center_crop": True,
    "crop_size": 384,
    "image_mean": [0.48145466, 0.4578275, 0.40821073],
    "image_std": [0.26862954, 0.26130258, 0.27577711],
    "resample": 3,
    "size": {"shortest_edge": 440},
    "image_processor_type": "CLIPImageProcessor",
}


def random_vit(config: dict[str, Any], *, seed: int = 1, deviation: float = 0.05) -> Any:
    """Return a `ViTForImageClassification` of a configuration, all tensors normal around 0."""
    import torch
    from transformers.models.vit.configuration_vit import ViTConfig
    from transformers.models.vit.modeling_vit import ViTForImageClassification

    with torch.device("meta"):
        model = ViTForImageClassification(ViTConfig(**config))
    model.to_empty(device="cpu")
    generator = torch.Generator().manual_seed(seed)
    for tensor in model.parameters():
        tensor.data.normal_(0, deviation, generator=generator)
    return model.eval()


def write_commfor(folder: Path, *, seed: int = 1) -> Path:
    """Save a look-alike of CommunityForensics as Hugging Face has it: 87,270,764 bytes."""
    random_vit(COMMFOR, seed=seed).save_pretrained(folder)
    (folder / "config.json").write_text(json.dumps(COMMFOR))
    (folder / "preprocessor_config.json").write_text(json.dumps(COMMFOR_PROCESSOR))
    return folder


def write_commfor_owens(folder: Path, *, like: Path) -> Path:
    """Save the same weights as OwensLab has them, timm's names behind ``vit.``: 87,262,324 B."""
    from safetensors.torch import load_file, save_file

    from indexer.encoders.layouts import hf_to_timm

    folder.mkdir(parents=True)
    tensors = hf_to_timm(load_file(like / "model.safetensors"))
    save_file(
        {f"vit.{k}": v.contiguous() for k, v in tensors.items()}, folder / "model.safetensors"
    )
    (folder / "config.json").write_text(json.dumps({"image_size": 384}))
    return folder
