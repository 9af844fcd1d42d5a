"""Presets do what they say, in Pillow, to the pixel."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from indexer.errors import EncoderError
from indexer.preprocess import PRESETS, needed, prepare, preset_from_processor
from indexer.types import Preset
from tests.pictures import picture


def test_squash_is_a_plain_resize() -> None:
    image = picture(1, (120, 70))
    got = prepare(image, Preset(name="x", size=32))
    expected = np.asarray(image.resize((32, 32), Image.Resampling.BICUBIC))
    np.testing.assert_array_equal(got, expected)


@pytest.mark.parametrize("size", [(900, 601), (601, 900), (440, 440), (441, 1000), (200, 150)])
@pytest.mark.parametrize("name", ["commfor-author", "commfor-hf", "commfor-author-224"])
def test_shortest_edge_is_torchvision_s_resize_and_centre_crop(
    size: tuple[int, int], name: str
) -> None:
    from torchvision.transforms import CenterCrop, InterpolationMode, Resize

    preset = PRESETS[name]
    image = picture(2, size)
    mode = {"bilinear": InterpolationMode.BILINEAR, "bicubic": InterpolationMode.BICUBIC}
    resized = Resize(preset.resize_to, mode[preset.interpolation])(image)
    expected = np.asarray(CenterCrop(preset.size)(resized))
    np.testing.assert_array_equal(prepare(image, preset), expected)


def test_the_published_processor_files_are_understood() -> None:
    clip = {
        "do_center_crop": True,
        "crop_size": 384,
        "size": {"shortest_edge": 440},
        "resample": 3,
        "image_mean": [0.48145466, 0.4578275, 0.40821073],
        "image_std": [0.26862954, 0.26130258, 0.27577711],
    }
    preset = preset_from_processor(clip, name="commfor-hf", fallback_size=None)
    assert preset == PRESETS["commfor-hf"]
    vit = {"size": {"height": 224, "width": 224}, "resample": 2, "image_mean": [0.5] * 3}
    assert preset_from_processor(vit, name="vit-224", fallback_size=None) == PRESETS["vit-224"]
    assert preset_from_processor({}, name="bare", fallback_size=96).size == 96
    cropped = {"size": 256, "do_center_crop": True, "crop_size": {"height": 224, "width": 224}}
    preset = preset_from_processor(cropped, name="x", fallback_size=None)
    assert (preset.resize, preset.resize_to, preset.size) == ("shortest-edge", 256, 224)
    plain = preset_from_processor({"do_normalize": False}, name="x", fallback_size=8)
    assert (plain.mean, plain.std) == ((0.0,) * 3, (1.0,) * 3)


@pytest.mark.parametrize(
    "config",
    [
        {"size": {"height": 224, "width": 448}},
        {"size": {"height": 256, "width": 256}, "do_center_crop": True, "crop_size": 224},
        {"size": 224, "resample": 0},
        {"size": 224, "rescale_factor": 1.0},
        {"size": 224, "image_mean": [0.5]},
        {"size": "large"},
        {},
    ],
)
def test_what_cannot_be_followed_is_an_error(config: dict[str, object]) -> None:
    with pytest.raises(EncoderError, match="x cannot be followed"):
        preset_from_processor(config, name="x", fallback_size=None)


def test_needed_is_the_shorter_side_a_preset_uses() -> None:
    assert needed(PRESETS["commfor-hf"]) == 440
    assert needed(PRESETS["vit-224"]) == 224
