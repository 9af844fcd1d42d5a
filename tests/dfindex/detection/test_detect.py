"""Detection: the head's own figure, what it rests on, and the words that are said of it."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from click.testing import CliRunner, Result
from PIL import Image

from dfindex.cli import main
from dfindex.detection.calibration import area_under_curve
from dfindex.detection.wording import UNCALIBRATED, Word, at_false_positive_rate, at_probability
from indexer.encoders.registry import load
from indexer.errors import UsageError
from indexer.media.videos.frames import DEFAULT_FRAMES
from tests.pictures import corpus, picture
from tests.tiny_vit import write_tiny_vit
from tests.videos import clip, steady

Run = Callable[..., Result]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DFINDEX_INDEX", raising=False)
    return lambda *arguments: CliRunner().invoke(main, [str(one) for one in arguments])


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return write_tiny_vit(tmp_path / "tiny", num_labels=1)


@pytest.fixture
def photos(tmp_path: Path) -> list[Path]:
    return corpus(tmp_path / "photos", 6)


def rows(result: Result) -> list[dict[str, Any]]:
    assert result.exit_code == 0, result.output + result.stderr
    return json.loads(result.stdout)  # type: ignore[no-any-return]


def expected_logits(model: Path, photos: list[Path]) -> np.ndarray:
    """Return what transformers' own class says; nothing is ours but the file."""
    import torch
    from transformers import ViTForImageClassification

    own = ViTForImageClassification.from_pretrained(model, local_files_only=True).eval()
    logits = []
    for path in photos:
        image = Image.open(path).convert("RGB").resize((32, 32), Image.Resampling.BICUBIC)
        pixels = (np.asarray(image, np.float32) / 255 - 0.5) / 0.5
        with torch.no_grad():
            logits.append(own(torch.from_numpy(pixels.transpose(2, 0, 1)[None])).logits[0].numpy())
    return np.array(logits)


def test_detect_gives_the_sigmoid_of_the_models_own_logit(
    run: Run, model: Path, photos: list[Path]
) -> None:
    got = rows(run("detect", *photos, "--encoder", model, "--precision", "fp32", "--json"))
    logits = expected_logits(model, photos)[:, 0]
    assert [row["path"] for row in got] == [str(path) for path in photos]
    assert np.allclose([row["logit"] for row in got], logits, atol=1e-5)
    assert np.allclose([row["probability_fake"] for row in got], 1 / (1 + np.exp(-logits)))
    assert {(row["encoder"], row["preset"], row["orientation"]) for row in got} == {
        ("tiny", "tiny", "assumed")
    }


@pytest.mark.slow
def test_what_is_in_the_index_is_not_read_again(run: Run, model: Path, photos: list[Path]) -> None:
    fresh = rows(run("detect", *photos, "--encoder", model, "--precision", "fp32", "--json"))
    built = run("build", photos[0].parent, "--encoder", model, "--precision", "fp32")
    assert built.exit_code == 0, built.output
    new = photos[0].parent / "new.png"
    picture(99).save(new)
    stored = rows(
        run("detect", photos[0].parent, "--encoder", model, "--precision", "fp32", "--json")
    )
    assert [row["from_index"] for row in stored] == [True] * 6 + [False]
    assert np.allclose([r["logit"] for r in stored[:6]], [r["logit"] for r in fresh], atol=1e-5)
    assert run("compact").exit_code == 0
    again = rows(run("detect", *photos, "--encoder", model, "--json"))
    assert [row["logit"] for row in again] == [row["logit"] for row in stored[:6]]


def test_two_logits_of_unverified_orientation_are_undecided(
    run: Run, tmp_path: Path, photos: list[Path]
) -> None:
    folder = write_tiny_vit(tmp_path / "two", num_labels=2)
    config = json.loads((folder / "config.json").read_text())
    config["id2label"] = {"0": "Fake", "1": "Real"}  # names are quoted, never believed
    (folder / "config.json").write_text(json.dumps(config))
    got = rows(run("detect", *photos, "--encoder", folder, "--precision", "fp32", "--json"))
    logits = expected_logits(folder, photos)
    softmax = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    assert np.allclose([row["probability_fake"] for row in got], softmax[:, 1], atol=1e-5)
    assert {(row["orientation"], row["word"]) for row in got} == {("unverified", "undecided")}


def test_an_encoder_without_a_head_is_refused_by_name(run: Run, photos: list[Path]) -> None:
    result = run("detect", photos[0], "--json")
    assert result.exit_code == 3 and result.stdout == ""
    assert "dfindex-copy-s16, which has none" in result.stderr
    assert "commfor, commfor-owens" in result.stderr


def test_a_file_that_cannot_be_read_is_a_row_with_its_problem(
    run: Run, model: Path, photos: list[Path]
) -> None:
    bad = photos[0].parent / "a-text.txt"
    bad.write_text("no picture")
    result = run("detect", bad, photos[0], "--encoder", model, "--json", "--strict")
    assert result.exit_code == 4
    first, second = json.loads(result.stdout)
    assert first["probability_fake"] is None and first["word"] == "undecided"
    assert "picture" in first["problem"] or "media" in first["problem"]
    assert second["problem"] is None
    assert run("detect", "no-such-file", "--encoder", model).exit_code == 2


def test_a_video_gets_the_mean_of_its_frames(run: Run, model: Path, tmp_path: Path) -> None:
    film = clip(tmp_path / "clip.mp4", steady(DEFAULT_FRAMES))
    frames = []
    with av.open(str(film)) as container:
        for number, frame in enumerate(container.decode(video=0)):
            frames.append(tmp_path / f"{number}.png")
            frame.to_image().save(frames[-1])
    (got,) = rows(run("detect", film, "--encoder", model, "--precision", "fp32", "--json"))
    assert got["frames"] == DEFAULT_FRAMES
    assert got["logit"] == pytest.approx(expected_logits(model, frames).mean(), abs=1e-3)


def test_a_video_with_no_frame_to_show_has_a_problem_and_no_figure(
    run: Run, model: Path, tmp_path: Path
) -> None:
    film = clip(tmp_path / "clip.mp4", steady(25))
    film.write_bytes(film.read_bytes()[:300])
    (got,) = rows(run("detect", film, "--encoder", model, "--json"))
    assert got["problem"] and got["logit"] is None and got["frames"] is None


def label_by_score(photos: list[Path], scores: list[float], *, inverted: bool) -> Path:
    """Write labels that agree with the scores, or contradict them."""
    middle = float(np.median(scores))
    target = photos[0].parent / "labels.csv"
    with target.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["path", "label"])
        for path, score in zip(photos, scores, strict=True):
            writer.writerow([path.name, "fake" if (score > middle) != inverted else "real"])
    return target


@pytest.mark.slow
@pytest.mark.parametrize("inverted", [False, True])
def test_an_orientation_check_is_kept_and_used(
    run: Run, tmp_path: Path, photos: list[Path], inverted: bool
) -> None:
    folder = write_tiny_vit(tmp_path / "two", num_labels=2)
    before = rows(run("detect", *photos, "--encoder", folder, "--precision", "fp32", "--json"))
    labels = label_by_score(photos, [row["logit"] for row in before], inverted=inverted)
    check = run("doctor", "--orientation", "--labels", labels, "--encoder", folder, "--json")
    found = json.loads(check.stdout)
    assert check.exit_code == 0 and found["real"] == found["fake"] == 3
    assert found["auc"] == (0.0 if inverted else 1.0)
    assert found["finding"] == ("inverted" if inverted else "as declared")
    after = rows(run("detect", *photos, "--encoder", folder, "--precision", "fp32", "--json"))
    sign = -1 if inverted else 1
    assert np.allclose([r["logit"] for r in after], [sign * r["logit"] for r in before])
    assert {row["orientation"] for row in after} == {found["finding"]}
    assert run("doctor").exit_code == 0  # an index that holds nothing else yet is healthy


def test_an_orientation_check_needs_both_labels(run: Run, model: Path, photos: list[Path]) -> None:
    labels = photos[0].parent / "labels.csv"
    labels.write_text(f"path,label\n{photos[0].name},real\n")
    result = run("doctor", "--orientation", "--labels", labels, "--encoder", model)
    assert result.exit_code == 2 and "expected real and fake pictures" in result.stderr
    assert run("doctor", "--orientation", "--encoder", model).exit_code == 2


def test_doctor_finds_logits_that_are_not_the_heads(
    run: Run, model: Path, photos: list[Path]
) -> None:
    from indexer.store.vectors import segments

    assert run("build", photos[0].parent, "--encoder", model).exit_code == 0
    healthy = json.loads(run("doctor", "--json").stdout)
    assert healthy["heads"][0]["samples"] == 6 and healthy["heads"][0]["largest"] < 1e-4
    original = segments.Segment.head_rows
    try:
        segments.Segment.head_rows = lambda self: original(self) + 0.01  # type: ignore[method-assign,operator]
        broken = run("doctor", "--json")
    finally:
        segments.Segment.head_rows = original  # type: ignore[method-assign]
    assert broken.exit_code == 3
    assert "expected logits within 0.0001" in json.loads(broken.stdout)["findings"][0]["problem"]


def test_views_average_the_centre_and_the_corners(run: Run, tmp_path: Path, model: Path) -> None:
    processor = json.loads((model / "preprocessor_config.json").read_text())
    processor |= {"size": {"shortest_edge": 36}, "crop_size": 32, "do_center_crop": True}
    (model / "preprocessor_config.json").write_text(json.dumps(processor))
    path = tmp_path / "wide.png"
    picture(3, (54, 36)).save(path)
    options = ("--encoder", model, "--precision", "fp32", "--json")
    row = rows(run("detect", path, "--views", *options))[0]
    assert row["views"] == 5
    encoder = load(model, device="cpu", precision="fp32")
    pixels = np.asarray(Image.open(path))
    places = [(11, 2), (0, 0), (22, 0), (0, 4), (22, 4)]
    crops = np.stack([pixels[y : y + 32, x : x + 32] for x, y in places])
    logits = encoder.encode(crops).logits
    assert logits is not None and abs(row["logit"] - logits.mean()) < 1e-5


@pytest.mark.slow
def test_a_threshold_is_measured_on_real_pictures_of_the_users_own(
    run: Run, tmp_path: Path, model: Path
) -> None:
    photos = corpus(tmp_path / "real", 20)
    labels = tmp_path / "real" / "labels.csv"
    labels.write_text("path,label\n" + "".join(f"{path.name},real\n" for path in photos))
    options = ("--encoder", model, "--precision", "fp32", "--json")
    got = rows(run("detect", *photos, "--calibrate", labels, "--fpr", "0.1", *options))
    falling = sorted((row["probability_fake"] for row in got), reverse=True)
    # floor(0.1 * 21) = 2: at most one of the twenty may reach the threshold.
    assert sum(row["word"] == "fake" for row in got) == 1
    assert falling[1] < got[0]["threshold"] <= falling[0]
    too_few = run("detect", *photos, "--calibrate", labels, "--fpr", "0.01", *options)
    assert too_few.exit_code == 2 and "at least 99 real pictures" in too_few.stderr
    unlabelled = run("detect", *photos, "--fpr", "0.1", *options)
    assert unlabelled.exit_code == 2 and "dfindex label import" in unlabelled.stderr
    arguments = (tmp_path / "real", "--encoder", model, "--labels", labels)
    assert run("build", *arguments, "--precision", "fp32").exit_code == 0
    from_index = rows(run("detect", *photos, "--fpr", "0.1", *options))
    assert from_index[0]["threshold"] == pytest.approx(got[0]["threshold"], abs=1e-6)


def test_the_three_words() -> None:
    assert set(Word) == {"fake", "undecided", "no sign of fakery"}
    at = at_probability(0.6)
    assert [at.word(p, sure=True) for p in (0.6, 0.59, 0.3, 0.29)] == [
        Word.FAKE,
        Word.UNDECIDED,
        Word.UNDECIDED,
        Word.NO_SIGN,
    ]
    assert UNCALIBRATED.word(0.7, sure=True) is Word.UNDECIDED
    assert UNCALIBRATED.word(0.95, sure=False) is Word.UNDECIDED
    assert at.word(None, sure=True) is Word.UNDECIDED


def test_a_false_positive_rate_holds_for_pictures_that_were_not_calibrated_on() -> None:
    rng = np.random.default_rng(0)
    shares = []
    for _ in range(200):
        limit = at_false_positive_rate(rng.random(99).tolist(), 0.05).fake_from
        shares.append((rng.random(500) >= limit).mean())
    assert 0.03 < np.mean(shares) <= 0.052
    with pytest.raises(UsageError, match="between 0 and 1"):
        at_false_positive_rate([0.5], 1.5)


def test_area_under_curve_by_hand() -> None:
    assert area_under_curve([3.0, 1.0], [2.0, 0.0]) == 0.75
    assert area_under_curve([1.0], [1.0]) == 0.5
