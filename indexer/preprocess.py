"""Shape a picture for an encoder, by a preset; presets as data.

Everything is done by Pillow in 8 bits, so that a vector does not depend on the version of a deep
learning library. Normalisation to mean and standard deviation happens on the device.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from PIL import Image

from indexer import keypoints
from indexer.errors import EncoderError
from indexer.types import Preset, UInt8

_SHOWN = 200  # characters of what is wrong in a file
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
_LONGEST_SHAPE = 8  # sides as 1 to 8; of what is longer, the middle is taken
# Steps that are switched on or off, and what dfindex does.
_STEPS = {"do_resize": True, "do_rescale": True, "do_pad": False}


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
    ``resize_to`` and keeps the centre, rounded as torchvision rounds. Resizing is antialiased.
    """
    filter_ = _FILTERS[preset.interpolation]
    if preset.resize_to is None:
        return np.asarray(image.resize((preset.size, preset.size), filter_))
    return np.asarray(_centre(resized(image, preset), preset.size))


def resized(image: Image.Image, preset: Preset) -> Image.Image:
    """Return a picture as a preset's crop is taken from it; the far ends of long ones are cut."""
    near = _without_far_ends(image)
    size = _scaled(near.width, near.height, preset.resize_to or preset.size)
    return near.resize(size, _FILTERS[preset.interpolation])


def needed(preset: Preset) -> int:
    """Return the shorter side, in pixels, that a preset and keypoints make use of."""
    # a decoder keeps twice what is needed: enough for keypoints too
    return max(preset.resize_to or preset.size, keypoints.LONGEST_SIDE // 2)


def preset_from_processor(
    config: Mapping[str, Any], *, name: str, fallback_size: int | None
) -> Preset:
    """Read a Hugging Face ``preprocessor_config.json``.

    ``fallback_size`` is the model's own input size, for files that do not say it. Raise
    EncoderError where the file asks for something dfindex does not do.
    """
    try:
        _check_steps(config)
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
            std=_divisors(config.get("image_std", (0.5,) * 3) if normalised else (1.0,) * 3),
        )
    except (ArithmeticError, ValueError, TypeError, KeyError) as error:
        raise EncoderError(
            f"the preprocessor_config.json of {name} cannot be followed: {str(error)[:_SHOWN]}; "
            "correct it, or name a preset"
        ) from error


def _check_steps(config: Mapping[str, Any]) -> None:
    for step, ours in _STEPS.items():
        if bool(config.get(step, ours)) != ours:
            raise ValueError(f"{step} is {config[step]}; expected {ours}")
    if config.get("crop_pct") is not None:
        raise ValueError(f"crop_pct is {config['crop_pct']}; expected a size and a crop_size")


def _sizes(config: Mapping[str, Any], fallback: int | None) -> tuple[int, str, int | None]:
    size = config.get("size", fallback)
    crop = _square(config["crop_size"]) if config.get("do_center_crop") else None
    if isinstance(size, Mapping) and "shortest_edge" in size:
        return _cropped(int(size["shortest_edge"]), crop, config)
    if size is None:
        raise ValueError("it says no size")
    if isinstance(size, int) and crop is not None:
        return _cropped(size, crop, config)
    side = _square(size)
    if crop not in (None, side):
        raise ValueError(f"a square of {side} cropped to {crop}")
    return side, "squash", None


def _cropped(edge: int, crop: int | None, config: Mapping[str, Any]) -> tuple[int, str, int]:
    if crop is None and config.get("do_center_crop") is False:
        raise ValueError("a shortest_edge and no centre crop; expected square pictures")
    if crop is not None and crop > edge:
        raise ValueError(f"a crop_size of {crop} is larger than the picture's {edge}")
    return crop or edge, "shortest-edge", edge


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


def _divisors(values: Any) -> tuple[float, float, float]:
    three = _three(values)
    if min(three) <= 0:
        raise ValueError(f"image_std {list(three)}; expected positive numbers")
    return three


def _scaled(width: int, height: int, shorter: int) -> tuple[int, int]:
    """Return the size after the shorter side became ``shorter``, the longer one rounded down."""
    if width <= height:
        return shorter, max(shorter, int(shorter * height / width))
    return max(shorter, int(shorter * width / height)), shorter


def _without_far_ends(image: Image.Image) -> Image.Image:
    """Cut as much off both ends of a very long picture; nothing that the centre crop would show.

    Scaled whole, a long picture would grow without bound.
    """
    longest = _LONGEST_SHAPE * min(image.size)
    across, down = (max(0, side - longest) // 2 for side in image.size)
    if not across and not down:
        return image
    return image.crop((across, down, image.width - across, image.height - down))


def _centre(image: Image.Image, size: int) -> Image.Image:
    left = round((image.width - size) / 2)
    top = round((image.height - size) / 2)
    return image.crop((left, top, left + size, top + size))
