"""The control for codec leakage reads the files that were indexed, and no others."""

from __future__ import annotations

import io
import shutil
from pathlib import Path

import numpy as np
from PIL import Image

import dfindex
from dfindex.maintenance import set_label
from indexer.types import Float32
from probes.evaluation.encoding import NAMES, codec_features, jpeg_tables
from tests.fake_encoder import NAME
from tests.pictures import picture

LUMA = NAMES.index("quantisation of luma")


def features(index: Path) -> Float32:
    with dfindex.open(index) as opened:
        ids = opened.space().ids()
        return codec_features(opened.catalog, ids)


def luma(path: Path) -> float:
    with Image.open(path) as image:
        return float(np.mean(image.quantization[0]))


def test_tables_are_those_of_unchanged_files_only(tmp_path: Path) -> None:
    root, index = tmp_path / "corpus", tmp_path / "index"
    root.mkdir()
    picture(1).save(root / "a.jpg", quality=50)
    shutil.copy(root / "a.jpg", root / "b.jpg")
    dfindex.build([root], index=index, encoder=NAME, workers=1).close()
    indexed = luma(root / "a.jpg")
    assert features(index)[0, LUMA] == np.float32(indexed)
    picture(2).save(root / "a.jpg", quality=95)
    assert luma(root / "a.jpg") != indexed
    assert features(index)[0, LUMA] == np.float32(indexed)  # the second path holds it still
    (root / "b.jpg").unlink()
    assert features(index)[0, LUMA] == 0


def test_labels_lead_to_files_that_are_still_what_was_labelled(tmp_path: Path) -> None:
    from dfindex.detection.detect import HeadDetector
    from dfindex.encoders import open_encoder
    from tests.tiny_vit import write_tiny_vit

    model = write_tiny_vit(tmp_path / "tiny", num_labels=1)
    root, index = tmp_path / "corpus", tmp_path / "index"
    root.mkdir()
    for name in ("a.png", "b.png", "other.png"):
        picture(1 if name != "other.png" else 2).save(root / name)
    dfindex.build([root], index=index, encoder=NAME, workers=1).close()
    for name in ("a.png", "other.png"):
        set_label(index, str(root / name), "real")
    detector = HeadDetector(open_encoder(model, "cpu", "fp32"), index=index)
    assert detector.labelled() == {
        bytes(root / "a.png"): "real",
        bytes(root / "other.png"): "real",
    }
    picture(3).save(root / "a.png")
    picture(3).save(root / "other.png")
    assert detector.labelled() == {bytes(root / "b.png"): "real"}


def test_jpeg_tables_are_those_of_the_standard() -> None:
    # ITU-T T.81, tables K.1 and K.2, are what quality 50 stands for; their means by hand.
    for subsampling, sampled in ((0, 1.0), (2, 4.0)):
        buffer = io.BytesIO()
        picture(3).convert("RGB").save(buffer, "JPEG", quality=50, subsampling=subsampling)
        buffer.seek(0)
        assert jpeg_tables(buffer) == (57.625, 86.015625, sampled)
