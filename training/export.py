"""Write a run's averaged weights as a Hugging Face folder: ``python -m training.export``."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

import click
from safetensors.torch import load_file, save_file
from transformers import ViTConfig, ViTForImageClassification

from training import checkpoint
from training.model import (
    State,
    from_hugging_face,
    hugging_face_config,
    image_of,
    resize_state,
    to_hugging_face,
)

WEIGHTS = "model.safetensors"
CONFIG = "config.json"
PREPROCESSOR = "preprocessor_config.json"
BICUBIC = 3


def preprocessor_of(image: int) -> dict[str, Any]:
    """Describe the input: the whole picture squashed to a square, values in -1..1."""
    return {
        "image_processor_type": "ViTImageProcessor",
        "do_resize": True,
        "size": {"height": image, "width": image},
        "resample": BICUBIC,
        "do_center_crop": False,
        "do_rescale": True,
        "rescale_factor": 1 / 255,
        "do_normalize": True,
        "image_mean": [0.5, 0.5, 0.5],
        "image_std": [0.5, 0.5, 0.5],
        "do_convert_rgb": True,
    }


def export(state: State, folder: Path) -> None:
    """Write a state as configuration, preprocessing and float16 weights, each replaced whole.

    The files pass through ``ViTForImageClassification.save_pretrained``, so the names are those
    that this class writes; the card beside them is left alone.
    """
    folder.mkdir(parents=True, exist_ok=True)
    config = ViTConfig(**hugging_face_config(state))
    with tempfile.TemporaryDirectory(dir=folder.parent) as name:
        beside = Path(name)
        save_file(to_hugging_face(state), beside / WEIGHTS, {"format": "pt"})
        (beside / CONFIG).write_text(config.to_json_string())
        model, info = ViTForImageClassification.from_pretrained(
            beside, config=config, output_loading_info=True
        )
        wrong = [key for key in ("missing_keys", "unexpected_keys", "mismatched_keys") if info[key]]
        if wrong:
            raise ValueError(f"expected every tensor to find its place, got {info}")
        model.half().save_pretrained(beside)
        preset = preprocessor_of(image_of(state))
        (beside / PREPROCESSOR).write_text(json.dumps(preset, indent=2) + "\n")
        for file in (CONFIG, PREPROCESSOR, WEIGHTS):
            (beside / file).chmod(0o644)
            (beside / file).replace(folder / file)


def read_exported(folder: Path) -> State:
    """Read the weights of an exported folder back, in float32."""
    return from_hugging_face(load_file(folder / WEIGHTS))


def average_of(run: Path) -> State:
    """Return the averaged weights of a run's checkpoint."""
    return checkpoint.load(run).average


@click.command()
@click.option("--run", type=click.Path(exists=True, path_type=Path), required=True)
@click.option("--out", type=click.Path(path_type=Path), required=True)
@click.option("--size", type=int, help="Input side; position embeddings are interpolated.")
def main(run: Path, out: Path, size: int | None) -> None:
    """Export the averaged weights of a run."""
    state = average_of(run)
    export(resize_state(state, size) if size else state, out)
    parameters = sum(tensor.numel() for tensor in state.values())
    side = size or image_of(state)
    click.echo(f"{parameters / 1e6:.1f} M parameters, input {side} px")


if __name__ == "__main__":
    main()
