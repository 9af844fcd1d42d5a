"""Shape a picture for an encoder, by a preset; presets as data.

Everything is done by Pillow in 8 bits, so that a vector does not depend on the version of a deep
learning library. Normalisation to mean and standard deviation happens on the device.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from PIL import Image

from indexer.errors import EncoderError
from indexer.types import Preset, UInt8

_IMAGENET = {"mean": (0.485, 0.456, 0.406), "std": (0.229, 0.224, 0.225)}
_CLIP = {
    "mean": (0.48145466, 0.4578275, 0.40821073),
    "std": (0.26862954, 0.26130258, 0.27577711),
}
_FILTERS = {
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
    "lanczos": Image.Resampling.LANCZOS,
}
_FILTER_OF_NUMBER = {1: "lanczos", 2: "bilinear", 3: "bicubic"}  # PIL's, as the Hub writes them


def _shortest_edge(
    name: str, resize_to: int, size: int, interpolation: str, statistics: dict[str, Any]
) -> Preset:
    return Preset(
        name=name,
        size=size,
        resize="shortest-edge",
        resize_to=resize_to,
        interpolation=interpolation,
        **statistics,
    )


PRESETS: dict[str, Preset] = {
    preset.name: preset
    for preset in (
        _shortest_edge("commfor-author", 440, 384, "bilinear", _IMAGENET),
        _shortest_edge("commfor-author-224", 256, 224, "bilinear", _IMAGENET),
        _shortest_edge("commfor-hf", 440, 384, "bicubic", _CLIP),
        Preset(name="vit-half-224", size=224, interpolation="bilinear"),
        Preset(name="vit-224", size=224, interpolation="bilinear"),
    )
}


def prepare(image: Image.Image, preset: Preset) -> UInt8:
    """Return an RGB picture as the preset wants it: (size, size, 3) uint8.

    ``squash`` resizes the whole picture to a square. ``shortest-edge`` scales the shorter side to
    ``resize_to`` and keeps the centre. Resizing is antialiased.
    """
    filter_ = _FILTERS[preset.interpolation]
    if preset.resize_to is None:
        return np.asarray(image.resize((preset.size, preset.size), filter_))
    scaled = _scaled(image.width, image.height, preset.resize_to)
    across = _kept(scaled[0], preset.size)
    down = _kept(scaled[1], preset.size)
    # Only what is kept is computed: a long, thin picture would grow without bound otherwise.
    box = (
        across.start * image.width / scaled[0],
        down.start * image.height / scaled[1],
        across.stop * image.width / scaled[0],
        down.stop * image.height / scaled[1],
    )
    kept = image.resize((len(across), len(down)), filter_, box=box)
    if kept.size == (preset.size, preset.size):
        return np.asarray(kept)
    return np.asarray(_on_black(kept, preset.size))


def needed(preset: Preset) -> int:
    """Return the shorter side, in pixels, that a preset makes use of."""
    return preset.resize_to or preset.size


def preset_from_processor(
    config: Mapping[str, Any], *, name: str, fallback_size: int | None
) -> Preset:
    """Read a Hugging Face ``preprocessor_config.json``.

    ``fallback_size`` is the model's own input size, for files that do not say it. Raise
    EncoderError where the file asks for something dfindex does not do.
    """
    try:
        size, resize, resize_to = _sizes(config, fallback_size)
        factor = float(config.get("rescale_factor", 1 / 255))
        if not np.isclose(factor, 1 / 255, rtol=1e-3):
            raise ValueError(f"rescale_factor {factor}; expected 1/255")
        normalised = config.get("do_normalize", True)
        return Preset(
            name=name,
            size=size,
            resize=resize,
            resize_to=resize_to,
            interpolation=_interpolation(config.get("resample", 2)),
            mean=_three(config.get("image_mean", (0.5,) * 3) if normalised else (0.0,) * 3),
            std=_three(config.get("image_std", (0.5,) * 3) if normalised else (1.0,) * 3),
        )
    except (ValueError, TypeError, KeyError) as error:
        raise EncoderError(
            f"the preprocessor_config.json of {name} cannot be followed: {error}; "
            "correct it, or name a preset"
        ) from error


def _sizes(config: Mapping[str, Any], fallback: int | None) -> tuple[int, str, int | None]:
    size = config.get("size", fallback)
    crop = _square(config["crop_size"]) if config.get("do_center_crop") else None
    if isinstance(size, Mapping) and "shortest_edge" in size:
        edge = int(size["shortest_edge"])
        return crop or edge, "shortest-edge", edge
    if size is None:
        raise ValueError("it says no size")
    if isinstance(size, int) and crop is not None:
        return crop, "shortest-edge", size
    side = _square(size)
    if crop not in (None, side):
        raise ValueError(f"a square of {side} cropped to {crop}")
    return side, "squash", None


def _square(size: Any) -> int:
    if isinstance(size, Mapping):
        if size["height"] != size["width"]:
            raise ValueError(f"expected a square, got {dict(size)}")
        return int(size["height"])
    return int(size)


def _interpolation(resample: Any) -> str:
    if resample not in _FILTER_OF_NUMBER:
        raise ValueError(f"resample {resample}; expected 1 (lanczos), 2 (bilinear) or 3 (bicubic)")
    return _FILTER_OF_NUMBER[resample]


def _three(values: Any) -> tuple[float, float, float]:
    red, green, blue = (float(value) for value in values)
    return red, green, blue


def _scaled(width: int, height: int, shorter: int) -> tuple[int, int]:
    """Return the size after the shorter side became ``shorter``, the longer one rounded down."""
    if width <= height:
        return shorter, max(shorter, int(shorter * height / width))
    return max(shorter, int(shorter * width / height)), shorter


def _kept(scaled: int, size: int) -> range:
    """Return what a centre crop keeps of a side; torchvision's rounding, to even at a half."""
    start = round((scaled - size) / 2)
    return range(max(0, start), min(scaled, start + size))


def _on_black(image: Image.Image, size: int) -> Image.Image:
    """Return a picture smaller than the crop in the middle of a black one, as torchvision does."""
    black = Image.new("RGB", (size, size))
    black.paste(image, ((size - image.width) // 2, (size - image.height) // 2))
    return black
