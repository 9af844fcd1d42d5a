"""The committed sample corpus is what its lists say, and its scripts make it again."""

import csv
import hashlib
import subprocess
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.checkout import DATA, ROOT, needs_shared, shared_data


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_the_list_of_photographs_is_complete_and_their_bytes_are_right():
    listed = {row["file"]: row["sha256"] for row in rows(DATA / "photos.csv")}
    files = {path.relative_to(DATA).as_posix(): path for path in (DATA / "photos").rglob("*.jpg")}
    assert set(listed) == set(files) and len(files) == 300
    for name, path in files.items():
        assert hashlib.sha256(path.read_bytes()).hexdigest() == listed[name]


def test_no_photograph_was_trained_on_and_every_class_is_there():
    origins = [row["origin"].split("/") for row in rows(DATA / "photos.csv")]
    assert {split for split, _, _ in origins} == {"test", "validation"}
    assert min(Counter(kind for _, kind, _ in origins).values()) >= 24


@needs_shared
def test_the_photographs_are_those_of_the_source():
    for row in rows(DATA / "photos.csv"):
        source = shared_data / "photos_cc0" / row["origin"]
        assert source.read_bytes() == (DATA / row["file"]).read_bytes()


def test_the_corpus_is_small():
    assert sum(path.stat().st_size for path in DATA.rglob("*") if path.is_file()) < 15_000_000


def test_the_manifest_explains_every_manipulated_picture():
    listed = rows(DATA / "manipulated" / "manifest.csv")
    files = {path.name for path in (DATA / "manipulated").glob("*.jpg")}
    assert {row["file"] for row in listed} == files
    for row in listed:
        assert (DATA / row["original"]).is_file()
        assert not row["other"] or (DATA / row["other"]).is_file()
        if row["mask"]:
            with (
                Image.open(DATA / "manipulated" / row["mask"]) as mask,
                Image.open(DATA / "manipulated" / row["file"]) as picture,
            ):
                assert mask.size == picture.size
                assert 0.02 < np.asarray(mask.convert("L")).mean() / 255 < 0.25


def test_the_demonstration_has_its_three_pictures():
    demo = {row["file"] for row in rows(DATA / "manipulated" / "manifest.csv")} & {
        "demo_mirrored_crop.jpg",
        "demo_local_splice.jpg",
        "demo_recoloured_letterbox.jpg",
    }
    assert len(demo) == 3


@pytest.fixture(scope="module")
def remade(tmp_path_factory):
    out = tmp_path_factory.mktemp("manipulated")
    command = [sys.executable, "-m", "data.make_manipulated", "--out", out]
    subprocess.run(command, check=True, capture_output=True, cwd=ROOT)
    return out


def test_the_script_makes_the_manipulated_pictures_again(remade):
    name = "manifest.csv"
    assert (remade / name).read_text() == (DATA / "manipulated" / name).read_text()
    for path in (DATA / "manipulated").glob("*.jpg"):
        with Image.open(path) as committed, Image.open(remade / path.name) as again:
            assert committed.size == again.size
            difference = np.subtract(committed, again, dtype=np.int16)
            assert np.abs(difference).mean() < 1  # JPEG decoders differ by a rounding
