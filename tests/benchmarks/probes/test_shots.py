"""The probe benchmark's baselines are what they say they are."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from benchmarks.probes.features import colour_histograms, raw_pixels
from benchmarks.probes.mesonet import WEIGHTS, MesoNet
from benchmarks.probes.shots import HEADS, run
from benchmarks.probes.table import render
from tests.checkout import needs_shared, shared_data
from tests.fake_encoder import MeanColour


def test_histograms_count_pixels_in_cells_of_colour() -> None:
    picture = Image.new("RGB", (4, 4), (255, 0, 0))
    picture.paste((0, 0, 64), (0, 0, 4, 1))
    found = colour_histograms([picture])[0]
    assert found[3 * 16] == 0.75  # red's fourth cell, green's and blue's first
    assert found[1] == 0.25  # blue's second cell
    assert found.sum() == 1


def test_raw_pixels_are_the_reduced_picture() -> None:
    picture = Image.new("RGB", (32, 32), (51, 102, 255))
    found = raw_pixels([picture])[0].reshape(16, 16, 3)
    assert found[3, 7] == pytest.approx([0.2, 0.4, 1.0])


@needs_shared
@pytest.mark.parametrize("name", WEIGHTS)
def test_mesonet_tells_its_own_test_faces_apart(name: str) -> None:
    faces = shared_data / "mesonet" / "test_images"
    pictures = [
        Image.open(one) for kind in ("df", "real") for one in sorted((faces / kind).iterdir())
    ]
    features, odds = MesoNet(shared_data / "mesonet" / "weights" / f"{name}.h5").encode(pictures)
    assert features.shape == (4, 16)
    if name.endswith("DF"):  # trained on such fakes; the others on another kind
        assert (odds[:2] > 2).all()
        assert (odds[2:] < -2).all()


@pytest.mark.slow
def test_all_features_meet_the_same_episodes(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    lines = ["path,label,generator"]
    for number in range(24):
        fake = number % 2
        pixels = rng.integers(60, 200, (8, 8, 3)).astype(np.uint8).repeat(8, 0).repeat(8, 1)
        pixels[..., 0] = np.clip(pixels[..., 0].astype(np.int16) + 130 * fake, 0, 255)
        Image.fromarray(pixels).save(tmp_path / f"{number}.png")
        lines.append(f"{number}.png,{'fake,paint' if fake else 'real,'}")
    (tmp_path / "labels.csv").write_text("\n".join(lines))
    report = run(tmp_path / "labels.csv", MeanColour(), shots=(1, 4), queries=4, episodes=5)
    assert list(report.episodes) == [
        "mean-colour, class token",
        "mean-colour, pooled patches",
        "raw pixels",
        "colour histogram",
    ]
    for played in report.episodes.values():
        assert tuple(played.methods) == HEADS
        assert played.methods["prototypes"][4].episodes == 5
    assert report.episodes["mean-colour, class token"].methods["prototypes"][4].auc > 0.8
    assert report.zero_shot == {}
    assert report.pictures == {"real": 12, "paint": 12}
    assert render(report) is not None
