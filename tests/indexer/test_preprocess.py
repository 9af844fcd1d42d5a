from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from indexer.errors import EncoderError
from indexer.preprocess import PRESETS, needed, prepare, preset_from_processor
from indexer.types import Preset

# What the Hub holds beside the Community Forensics weights.
COMMUNITY_FORENSICS = {
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
GOOGLE_VIT = {
    "do_normalize": True,
    "do_resize": True,
    "image_mean": [0.5, 0.5, 0.5],
    "image_std": [0.5, 0.5, 0.5],
    "resample": 2,
    "size": {"height": 224, "width": 224},
}


def noise(width: int, height: int, seed: int = 0) -> Image.Image:
    rng = np.random.default_rng(seed)
    return Image.fromarray(rng.integers(0, 256, size=(height, width, 3)).astype(np.uint8))


def by_definition(image: Image.Image, preset: Preset) -> np.ndarray:
    """Resize the whole picture, then cut out the middle; rounding as torchvision documents it."""
    assert preset.resize_to is not None
    short, long = sorted(image.size)
    longer = int(Fraction(preset.resize_to * long, short))
    wide = image.width > image.height
    size = (longer, preset.resize_to) if wide else (preset.resize_to, longer)
    filter_ = Image.Resampling[preset.interpolation.upper()]
    whole = np.asarray(image.resize(size, filter_))
    top, left = (round(Fraction(side - preset.size, 2)) for side in whole.shape[:2])
    return whole[top : top + preset.size, left : left + preset.size]


@pytest.mark.parametrize("name", ["commfor-author", "commfor-author-224", "commfor-hf"])
@pytest.mark.parametrize(
    "size", [(640, 480), (400, 533), (441, 440), (440, 440), (97, 61), (1200, 300), (70, 500)]
)
def test_shortest_edge_is_resize_then_crop(name: str, size: tuple[int, int]) -> None:
    image = noise(*size)
    got = prepare(image, PRESETS[name])
    expected = by_definition(image, PRESETS[name])
    assert got.shape == (PRESETS[name].size, PRESETS[name].size, 3)
    assert np.array_equal(got, expected)


@settings(deadline=None, max_examples=60)
@given(st.integers(20, 150), st.integers(20, 150), st.integers(1, 60), st.integers(0, 30))
def test_every_size_is_resize_then_crop(width: int, height: int, size: int, more: int) -> None:
    preset = Preset(name="x", size=size, resize="shortest-edge", resize_to=size + more)
    image = noise(width, height)
    assert np.array_equal(prepare(image, preset), by_definition(image, preset))


def test_squash_shows_the_whole_picture() -> None:
    halves = np.zeros((50, 200, 3), dtype=np.uint8)
    halves[:, 100:] = (10, 200, 30)
    got = prepare(Image.fromarray(halves), PRESETS["vit-half-224"])
    assert got.shape == (224, 224, 3) and got.dtype == np.uint8
    assert got[:, :110].max() == 0
    assert (got[:, 114:] == (10, 200, 30)).all()


def test_resizing_is_antialiased() -> None:
    stripes = np.zeros((900, 900, 3), dtype=np.uint8)
    stripes[:, ::2] = 255
    for preset in PRESETS.values():
        got = prepare(Image.fromarray(stripes), preset).astype(np.int16)
        assert np.abs(got - 127.5).max() <= 20, preset.name  # without it: 0 and 255


def test_a_very_long_picture_needs_no_more_than_its_middle() -> None:
    assert prepare(noise(200_000, 3), PRESETS["commfor-author"]).shape == (384, 384, 3)
    assert prepare(noise(1, 5000), PRESETS["commfor-hf"]).shape == (384, 384, 3)


@pytest.mark.parametrize("size", [(100, 1601), (1700, 99), (64, 2000)])
def test_the_middle_of_a_very_long_picture_is_where_it_was(size: tuple[int, int]) -> None:
    x, y = np.meshgrid(np.linspace(0, 12, size[0]), np.linspace(0, 12, size[1]))
    waves = (127 + 120 * np.stack([np.sin(x), np.cos(y), np.sin(x + y)], axis=-1)).astype(np.uint8)
    image = Image.fromarray(waves)
    for preset in (PRESETS["commfor-author"], PRESETS["commfor-hf"]):
        expected = by_definition(image, preset)
        difference = np.abs(prepare(image, preset).astype(np.int16) - expected)
        assert (
            difference.mean() < 0.6
        )  # half a pixel at most; by a whole one, waves move 1 and more


def test_a_crop_larger_than_the_picture_is_filled_with_black() -> None:
    preset = Preset(name="x", size=20, resize="shortest-edge", resize_to=10)
    got = prepare(Image.new("RGB", (10, 40), (9, 9, 9)), preset)
    assert (got[:, 5:15] == 9).all()
    assert got[:, :5].max() == got[:, 15:].max() == 0


def test_presets_say_what_the_authors_say() -> None:
    author, hub = PRESETS["commfor-author"], PRESETS["commfor-hf"]
    assert (author.resize_to, author.size, author.interpolation) == (440, 384, "bilinear")
    assert author.mean == (0.485, 0.456, 0.406) and author.std == (0.229, 0.224, 0.225)
    assert hub == preset_from_processor(COMMUNITY_FORENSICS, name="commfor-hf", fallback_size=None)
    assert PRESETS["vit-half-224"] == preset_from_processor(
        GOOGLE_VIT, name="vit-half-224", fallback_size=None
    )
    assert [needed(preset) for preset in (author, PRESETS["vit-half-224"])] == [440, 224]


def test_a_processor_file_may_leave_the_size_to_the_model() -> None:
    config = {key: value for key, value in GOOGLE_VIT.items() if key != "size"}
    preset = preset_from_processor(config, name="x", fallback_size=384)
    assert (preset.size, preset.resize) == (384, "squash")
    with pytest.raises(EncoderError, match="no size"):
        preset_from_processor(config, name="x", fallback_size=None)


def test_a_processor_file_may_give_the_size_as_one_number() -> None:
    squash = preset_from_processor({**GOOGLE_VIT, "size": 112}, name="x", fallback_size=None)
    assert (squash.size, squash.resize) == (112, "squash")
    crop = {"size": 256, "do_center_crop": True, "crop_size": {"height": 224, "width": 224}}
    cropped = preset_from_processor({**GOOGLE_VIT, **crop}, name="x", fallback_size=None)
    assert (cropped.size, cropped.resize, cropped.resize_to) == (224, "shortest-edge", 256)


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"resample": 0}, "resample 0"),
        ({"resample": "cubic"}, "resample cubic"),
        ({"size": {"height": 224, "width": 112}}, "square"),
        ({"size": {"longest_edge": 224}}, "height"),
        ({"size": {"shortest_edge": 224}, "do_center_crop": True, "crop_size": 256}, "larger"),
        ({"size": {"shortest_edge": 224}, "do_center_crop": False}, "crop"),
        ({"image_mean": [0.5]}, "values"),
        ({"image_std": [0.5, 0.5, 0.0]}, "image_std"),
        ({"rescale_factor": 1.0}, "rescale_factor"),
        ({"do_rescale": False}, "do_rescale"),
        ({"do_resize": False}, "do_resize"),
        ({"do_pad": True}, "do_pad"),
        ({"size": {"shortest_edge": 224}, "crop_pct": 0.875}, "crop_pct"),
        ({"size": {"height": 0, "width": 0}}, "positive"),
        ({"size": "large"}, "large"),
    ],
)
def test_what_cannot_be_followed_is_an_error_that_says_so(
    change: dict[str, object], word: str
) -> None:
    with pytest.raises(EncoderError, match=word) as caught:
        preset_from_processor({**GOOGLE_VIT, **change}, name="some encoder", fallback_size=224)
    assert "some encoder" in str(caught.value)
