"""Comparing two pictures: verdicts on real photographs, and where a known edit is found."""

import numpy as np
import pytest
from PIL import Image, ImageEnhance, ImageFilter, ImageOps

from search.verdict import Verdict
from search.verification.compare import compare_images
from tests.marks import mostly_slow
from tests.search.photographs import photograph, recompressed


def spliced(image, other, box):
    x, y, width, height = box
    piece = ImageOps.fit(other, image.size).crop((x, y, x + width, y + height))
    copy = image.copy()
    copy.paste(piece, (x, y))
    mask = np.zeros((image.height, image.width), dtype=bool)
    mask[y : y + height, x : x + width] = True
    return copy, mask


def overlap(found, known):
    return (found & known).sum() / (found | known).sum()


HONEST = {
    "recompressed": lambda image: recompressed(image, 30),
    "half the size": lambda image: image.resize((image.width // 2, image.height // 2)),
    "mirrored": lambda image: recompressed(ImageOps.mirror(image), 60),
    "a quarter turn": lambda image: image.transpose(Image.Transpose.ROTATE_90),
    "cropped": lambda image: image.crop((60, 40, 340, 380)),
    "grey": lambda image: ImageOps.grayscale(image).convert("RGB"),
    "contrast": lambda image: recompressed(ImageEnhance.Contrast(image).enhance(1.6), 80),
    "darker": lambda image: recompressed(ImageEnhance.Brightness(image).enhance(0.6), 80),
    "blurred": lambda image: image.filter(ImageFilter.GaussianBlur(1.5)),
    "framed": lambda image: ImageOps.expand(image, 70, (10, 10, 10)),
}


@pytest.mark.parametrize("name", mostly_slow(HONEST, quick=4))
def test_an_unaltered_copy_is_a_copy(name):
    image = photograph("shoes", 3)
    found = compare_images(image, HONEST[name](image))
    assert found.verdict is Verdict.COPY, found.description
    assert found.match is not None
    assert found.match.altered_boxes == ()
    assert found.match.altered_fraction == 0
    assert not found.altered_mask.any()


def test_only_the_same_bytes_are_exact():
    image = photograph("hat", 0)
    found = compare_images(image, image.copy(), same_bytes=True)
    assert (found.verdict, found.score) == (Verdict.EXACT, 1.0)
    assert found.description == "the same file"
    assert np.array_equal(found.match.transform, np.eye(3))


def test_the_same_pixels_in_another_file_are_a_copy():
    image = photograph("hat", 0)
    found = compare_images(image, image.copy())
    assert (found.verdict, found.score) == (Verdict.COPY, 1.0)
    assert found.description == "the same pixels in another file"
    assert np.array_equal(found.match.transform, np.eye(3))


@pytest.mark.parametrize("place", [0, 4, 7])
def test_a_splice_is_found_where_it_is(place):
    image, other = photograph("longsleeve", place), photograph("skirt", place % 4)
    copy, mask = spliced(image, other, (110, 140, 150, 200))
    found = compare_images(recompressed(copy, 50), image)
    assert found.verdict is Verdict.ALTERED_COPY
    assert overlap(found.altered_mask, mask) > 0.6
    share = mask.mean()
    assert found.match.altered_fraction == pytest.approx(share, rel=0.35)


def test_a_splice_is_found_in_pixels_of_the_first_picture_through_a_transform():
    image, other = photograph("outwear", 1), photograph("skirt", 2)
    copy, mask = spliced(image, other, (110, 140, 150, 200))
    moved = recompressed(ImageOps.mirror(copy).crop((30, 20, 380, 500)), 60)
    seen = np.fliplr(mask)[20:500, 30:380]
    found = compare_images(moved, image)
    assert found.match.mirrored
    assert found.altered_mask.shape == (moved.height, moved.width)
    assert overlap(found.altered_mask, seen) > 0.6
    back = compare_images(image, moved)
    assert back.altered_mask.shape == (image.height, image.width)
    assert overlap(back.altered_mask, mask) > 0.6


@pytest.mark.parametrize("name", mostly_slow(["mirrored", "cropped", "contrast"], quick=1))
def test_exchanged_pictures_give_the_same_verdict(name):
    image, other = photograph("pants", 2), photograph("pants", 3)
    edited, _ = spliced(HONEST[name](image), other, (80, 90, 90, 110))
    there, back = compare_images(image, edited), compare_images(edited, image)
    assert there.verdict is back.verdict is Verdict.ALTERED_COPY
    assert there.score == pytest.approx(back.score)
    assert there.match.inliers == back.match.inliers
    assert there.match.mirrored is back.match.mirrored
    product = np.array(there.match.transform) @ np.array(back.match.transform)
    assert np.allclose(product / product[2, 2], np.eye(3), atol=1e-6)
    shares = (there.match.query_overlap, there.match.sample_overlap)
    assert shares == pytest.approx((back.match.sample_overlap, back.match.query_overlap))


def test_overlaps_tell_a_crop_from_a_frame():
    image = photograph("dress", 0)
    part = image.crop((50, 50, 350, 450))
    cropped = compare_images(image, part).match
    assert cropped.query_overlap == pytest.approx(300 * 400 / (image.width * image.height), 0.01)
    assert cropped.sample_overlap == pytest.approx(1, abs=0.01)
    framed = compare_images(image, ImageOps.expand(image, 100, "white")).match
    assert framed.query_overlap == pytest.approx(1, abs=0.01)


def test_other_photographs_are_unrelated():
    first, second = photograph("shirt", 0), photograph("shoes", 5)
    found = compare_images(first, second)
    assert (found.verdict, found.match) == (Verdict.UNRELATED, None)


def _gradient(turned):
    ramp = np.linspace(30, 220, 300)[None, :, None].repeat(200, 0).repeat(3, 2).astype(np.uint8)
    return Image.fromarray(ramp).rotate(turned, expand=True)


@pytest.mark.parametrize(
    "smooth",
    [Image.new("RGB", (300, 200), (90, 120, 40)), _gradient(0), Image.new("RGB", (2, 2), "red")],
    ids=["flat", "gradient", "tiny"],
)
def test_a_picture_without_structure_is_not_assessable(smooth):
    for other in (photograph("shirt", 0), _gradient(90), Image.new("RGB", (320, 240), "black")):
        for pair in ((smooth, other), (other, smooth)):
            found = compare_images(*pair)
            assert (found.verdict, found.score) == (Verdict.NOT_ASSESSABLE, None)


def test_a_smooth_picture_is_recognised_as_a_whole():
    smooth = photograph("dress", 2).filter(ImageFilter.GaussianBlur(14))
    found = compare_images(smooth, recompressed(ImageOps.mirror(smooth).resize((260, 300)), 80))
    assert found.verdict is Verdict.COPY
    assert found.match.mirrored


def test_the_description_speaks_of_what_happened():
    image, other = photograph("longsleeve", 4), photograph("skirt", 0)
    copy, _ = spliced(image, other, (110, 140, 150, 200))
    found = compare_images(image, recompressed(ImageOps.mirror(copy).crop((0, 0, 400, 400)), 50))
    assert found.description.startswith("mirrored; shows ")
    assert "% of the visible area altered, at (" in found.description
