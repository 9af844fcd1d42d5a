"""What failed for want of a library is read by the next build once it is there."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from indexer.build import BuildOptions, BuildReport, build
from indexer.corpus import walk
from indexer.errors import MediaError
from indexer.media.formats import HEIF, JPEG_XL, RAW, Plugin, read_now
from indexer.media.image import decode_image
from indexer.store.catalog.changes import FailedFile
from indexer.store.writer import IndexWriter
from indexer.types import Reason
from tests.fake_encoder import MeanColour
from tests.heif import heic
from tests.pictures import picture


def built(index: Path, corpus: Path) -> BuildReport:
    with IndexWriter(index) as writer:
        return build(writer, MeanColour(), [corpus], BuildOptions(workers=1, loaded_from="mean"))


@pytest.mark.parametrize("message", [HEIF.missing, *HEIF.before])
def test_a_file_is_read_once_its_library_is_there(message: str, tmp_path: Path) -> None:
    corpus, index = tmp_path / "corpus", tmp_path / "index"
    corpus.mkdir()
    (corpus / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    assert built(index, corpus).failed == 1
    (corpus / "x.heic").write_bytes(heic([picture(1, (64, 64))]))
    lacking = MediaError(Reason.UNSUPPORTED, message)
    with IndexWriter(index) as writer:  # as a build without the library leaves it
        failed = [
            FailedFile(file=file, sha256=None, problem=lacking)
            for file in walk([corpus])
            if file.path.endswith("heic")
        ]
        writer.commit(MeanColour().spec, made_on=None, samples=[], linked=[], failed=failed)
        assert writer.catalog.media_counts().failed == 2
    again = built(index, corpus)
    assert (again.unchanged, again.embedded, again.failed_in_all) == (1, 1, 1)
    assert built(index, corpus).unchanged == 2


def test_only_libraries_that_are_there_make_a_difference(monkeypatch: pytest.MonkeyPatch) -> None:
    assert {HEIF.missing, JPEG_XL.missing, RAW.missing} <= set(read_now())
    monkeypatch.setattr(Plugin, "is_present", False)
    assert not {HEIF.missing, JPEG_XL.missing, RAW.missing} & set(read_now())


def test_a_raw_file_is_developed() -> None:
    """A linear sensor with a Bayer pattern, written as the simplest DNG there is."""
    pytest.importorskip("rawpy")
    grey = np.tile(np.linspace(2000, 60000, 128), (96, 1)).astype(np.uint16)
    buffer = io.BytesIO()
    identity = [1, 1, 0, 1, 0, 1, 0, 1, 1, 1, 0, 1, 0, 1, 0, 1, 1, 1]
    tags = [
        (33421, "H", 2, (2, 2), True),
        (33422, "B", 4, (0, 1, 1, 2), True),
        (50706, "B", 4, (1, 4, 0, 0), True),
        (50708, "s", 0, "dfindex test", True),
        (50721, "2i", 9, identity, True),
        (50728, "2I", 3, (1, 1, 1, 1, 1, 1), True),
        (50778, "H", 1, 21, True),
    ]
    tifffile.imwrite(buffer, grey, photometric="cfa", extratags=tags, metadata=None)
    shown = decode_image(buffer.getvalue())
    assert (shown.format, shown.width, shown.height) == ("RAW", 128, 96)
    levels = np.asarray(shown.image.convert("L")).astype(np.int16)
    assert levels[48, 8] + 60 < levels[48, 64] < levels[48, 120] + 1


def test_photoshop_s_merged_picture_is_read() -> None:
    """A PSD of version 1: header, three empty blocks, planes as they are."""
    levels = np.asarray(picture(3, (40, 30)))
    header = b"8BPS\0\1" + bytes(6) + b"\0\3" + (30).to_bytes(4, "big") + (40).to_bytes(4, "big")
    data = header + b"\0\10\0\3" + bytes(12) + b"\0\0" + np.moveaxis(levels, -1, 0).tobytes()
    assert np.array_equal(np.asarray(decode_image(data).image), levels)
    assert Image.open(io.BytesIO(data)).format == "PSD"
