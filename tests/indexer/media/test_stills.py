"""Files of several pictures: every page becomes a sample with its number, or the file is listed."""

from __future__ import annotations

import io
import os
from pathlib import Path

import imagecodecs
import numpy as np
import pytest
import tifffile
from PIL import Image

from indexer.build import BuildOptions, build
from indexer.errors import MediaError
from indexer.media.files import Limits
from indexer.media.image import Pictures, decode_image
from indexer.media.readers import tiff
from indexer.media.readers.avif import pictures_in
from indexer.media.source import Media
from indexer.media.videos.frames import Sampling
from indexer.originals import Originals
from indexer.store.reader import IndexReader
from indexer.store.writer import IndexWriter
from indexer.structure import ASSESSABLE, structure
from indexer.types import Kind
from tests.checkout import needs_shared, shared_data
from tests.fake_encoder import MeanColour
from tests.heif import avif_collection, heic
from tests.pictures import picture
from tests.videos import clip, number_of

BLANK = Image.new("RGB", (48, 40), "white")


def paged(pages: list[Image.Image], format_: str = "TIFF", **options: object) -> bytes:
    buffer = io.BytesIO()
    pages[0].save(buffer, format_, save_all=True, append_images=pages[1:], **options)
    return buffer.getvalue()


def indexed(folder: Path, **options: object) -> IndexReader:
    """Build an index of a folder beside it, and open it."""
    encoder = MeanColour()
    with IndexWriter(folder.with_name("index")) as writer:
        given = BuildOptions(workers=1, loaded_from="mean-colour", **options)
        build(writer, encoder, [folder], given)
    return IndexReader(folder.with_name("index"))


def rows(reader: IndexReader) -> list[tuple[object, ...]]:
    return reader.catalog.query(
        "SELECT kind, page, structure FROM samples ORDER BY sha256, page NULLS FIRST"
    )


@needs_shared
def test_each_page_of_the_fax_is_a_sample(tmp_path: Path) -> None:
    corpus = tmp_path / "corpus"
    corpus.mkdir()
    data = (shared_data / "cases" / "fax_multipage.tif").read_bytes()
    (corpus / "fax.tif").write_bytes(data)
    with indexed(corpus) as reader:
        found = rows(reader)
        assert [(kind, page) for kind, page, _ in found] == [("image", n) for n in range(1, 6)]
        assert [level >= ASSESSABLE for _, _, level in found][:2] == [False, True]
        ids = [id_ for (id_,) in reader.catalog.query("SELECT id FROM samples ORDER BY page")]
        sample = reader.catalog.samples(ids)[1]
        assert (sample.page, sample.kind) == (2, Kind.IMAGE)
        shown = Originals(reader.catalog).open(sample, at_least=1000)
    with Image.open(io.BytesIO(data)) as image:
        image.seek(1)
        assert np.array_equal(np.asarray(shown.image), np.asarray(image.convert("RGB")))
    query = decode_image(data)
    assert (query.page, query.image.getextrema()) == (2, shown.image.getextrema())


@pytest.mark.parametrize("kind", ["TIFF", "HEIF", "MPO", "mixed depth"])
def test_pages_of_all_kinds_come_in_order_at_their_size(kind: str) -> None:
    pages = [picture(number, (48 + 16 * number, 64)) for number in range(4)]
    if kind == "HEIF":
        data = heic(pages)
    elif kind == "mixed depth":
        buffer = io.BytesIO()
        with tifffile.TiffWriter(buffer) as writer:
            for number, page in enumerate(pages):
                values = np.asarray(page)
                deep = values.astype(np.uint16) * 257 if number % 2 else values
                writer.write(deep, photometric="rgb", metadata=None)
        data = buffer.getvalue()
    else:
        data = paged(pages, kind)
    found = Pictures(data, Limits())
    assert found.pages == 4
    worst = {"HEIF": 12, "MPO": 12}.get(kind, 0)
    for number in (1, 3, 2, 4, 1):  # in any order
        shown = found.decode(number, None)
        assert (shown.page, shown.image.size) == (number, pages[number - 1].size)
        difference = np.asarray(shown.image, np.int16) - np.asarray(pages[number - 1])
        assert np.abs(difference).mean() <= worst


def test_one_picture_has_no_page(tmp_path: Path) -> None:
    corpus = tmp_path / "corpus"
    corpus.mkdir()
    picture(1).save(corpus / "one.tif")
    (corpus / "one.heic").write_bytes(heic([picture(2, (64, 64))]))
    with indexed(corpus) as reader:
        assert [(kind, page) for kind, page, _ in rows(reader)] == [("image", None)] * 2
        expected = sorted(structure(image) for image in (picture(1), picture(2, (64, 64))))
        got = sorted(float(level) for _, _, level in rows(reader))  # type: ignore[arg-type]
        assert got == pytest.approx(expected, abs=1.5)


def test_smaller_versions_and_masks_are_no_pages() -> None:
    buffer = io.BytesIO()
    with tifffile.TiffWriter(buffer) as writer:
        full = np.asarray(picture(1, (64, 64)))
        writer.write(full, photometric="rgb", metadata=None)
        writer.write(full[::2, ::2], photometric="rgb", subfiletype=1, metadata=None)
        writer.write(full[..., 0] > 128, photometric=4, subfiletype=4, metadata=None)
        writer.write(full[::-1], photometric="rgb", subfiletype=2, metadata=None)
    assert Pictures(buffer.getvalue(), Limits()).pages == 2


def test_a_gain_map_and_a_cut_second_picture_are_no_pages() -> None:
    plain = paged([picture(1, (64, 48)), picture(2, (64, 48))], "MPO")
    assert Pictures(plain, Limits()).pages == 2
    second = plain.index(b"\xff\xd8\xff", 1000)
    assert Pictures(plain[:second], Limits()).pages == 1
    xmp = b"http://ns.adobe.com/xap/1.0/\0<x hdrgm:Version='1.0'/>"
    segment = b"\xff\xe1" + (2 + len(xmp)).to_bytes(2, "big") + xmp
    assert Pictures(plain[: second + 2] + segment + plain[second + 2 :], Limits()).pages == 1


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L"])
def test_a_collection_of_avif_is_listed_and_one_picture_is_none(mode: str) -> None:
    with pytest.raises(MediaError, match="holds 2 pictures") as caught:
        decode_image(avif_collection([picture(1, (64, 64)), picture(2, (64, 64))]))
    assert caught.value.reason == "unsupported"
    buffer = io.BytesIO()
    picture(1, (64, 64)).convert(mode).save(buffer, "AVIF")
    assert pictures_in(buffer.getvalue()) == 1
    assert decode_image(buffer.getvalue()).width == 64


def test_a_sequence_of_heif_is_a_film(tmp_path: Path) -> None:
    path = clip(tmp_path / "x.mp4", [0.0, 0.04, 0.08, 0.12], codec="libx265")
    data = path.read_bytes()
    size = int.from_bytes(data[:4], "big")
    brands = b"ftypmsf1\0\0\0\0msf1hevc".ljust(size - 4, b"\0")
    path.write_bytes(data[:4] + brands[: size - 4] + data[size:])
    with Media(os.fsencode(path), Limits(), Sampling()) as media:
        assert [number_of(one.image) for one in media.pictures(64)] == [0, 1, 2, 3]


def test_the_frames_of_an_animated_jpeg_xl_are_pages() -> None:
    frames = np.stack([np.asarray(picture(number)) for number in range(5)])
    found = Pictures(bytes(imagecodecs.jpegxl_encode(frames, lossless=True)), Limits())
    assert found.pages == 5
    shown = [np.asarray(found.decode(page, None).image) for page in range(1, 6)]
    assert np.array_equal(np.stack(shown), frames)


def test_a_broken_page_is_named_and_nothing_is_half_indexed(tmp_path: Path) -> None:
    corpus = tmp_path / "corpus"
    corpus.mkdir()
    data = bytearray(paged([picture(number) for number in range(3)], compression="tiff_deflate"))
    with tifffile.TiffFile(io.BytesIO(bytes(data))) as file:
        start = file.pages[2].dataoffsets[0]
    data[start : start + 8] = b"\xff" * 8
    (corpus / "broken.tif").write_bytes(data)
    with indexed(corpus) as reader:
        assert rows(reader) == []
        (failure,) = reader.catalog.failures()
        assert failure.message.startswith("page 3 of 3: ")
        assert failure.reason == "unsupported"


def test_blank_pages_stay_apart_and_linked_files_share_pages(tmp_path: Path) -> None:
    corpus = tmp_path / "corpus"
    corpus.mkdir()
    data = paged([BLANK, BLANK, picture(1), BLANK])
    for name in ("a.tif", "b.tif"):
        (corpus / name).write_bytes(data)
    with indexed(corpus) as reader:
        assert [page for _, page, _ in rows(reader)] == [1, 2, 3, 4]
        assert reader.catalog.media_counts().indexed == 2
    assert decode_image(data).page == 3
    assert decode_image(paged([BLANK, BLANK])).page == 1


def test_too_many_pages_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tiff, "MOST_PAGES", 3)
    data = paged([picture(number, (8, 8)) for number in range(4)])
    with pytest.raises(MediaError, match="at most 3 pages") as caught:
        _ = Pictures(data, Limits()).pages
    assert caught.value.reason == "too_large"


def test_a_chain_of_directories_that_bites_its_tail_ends(tmp_path: Path) -> None:
    data = bytearray(paged([picture(1), picture(2)]))
    with tifffile.TiffFile(io.BytesIO(bytes(data))) as file:
        first, second = (page.offset for page in file.pages)
        tags = len(file.pages[1].tags)
    place = second + 2 + 12 * tags
    data[place : place + 4] = first.to_bytes(4, "little")
    assert Pictures(bytes(data), Limits()).pages == 2


@pytest.mark.soak
def test_a_fax_of_500_pages_is_read_in_little_memory(tmp_path: Path) -> None:
    corpus = tmp_path / "corpus"
    corpus.mkdir()
    page = Image.new("1", (1728, 2200), 1)
    buffer = io.BytesIO()
    pages = [page.copy() for _ in range(500)]
    for number, one in enumerate(pages):
        one.paste(0, (100, 100 + 3 * number, 900, 300 + 3 * number))
    pages[0].save(buffer, "TIFF", save_all=True, append_images=pages[1:], compression="group4")
    (corpus / "fax.tif").write_bytes(buffer.getvalue())
    del pages, buffer
    with indexed(corpus) as reader:
        assert [number for _, number, _ in rows(reader)] == list(range(1, 501))


def test_pages_of_media_know_their_number(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    path.write_bytes(paged([BLANK, picture(4)]))
    with Media(os.fsencode(path), Limits(), Sampling()) as media:
        assert media.pages == 2
        assert np.array_equal(np.asarray(media.page(2, 100).image), np.asarray(picture(4)))
        assert [one.page for one in media.pictures(100)] == [1, 2]
