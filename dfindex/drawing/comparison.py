"""The picture of a comparison: both pictures, what they share, and what was altered."""

from __future__ import annotations

import textwrap

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from dfindex.drawing.palette import ALTERED, FAINT, GROUND, HEAT, INK, SHARED, TONES
from indexer.media.image import DecodedImage
from search.evidence import Evidence
from search.verdict import tone_of
from search.verification.compare import Comparison
from search.verification.transforms import Matrix, applied, common_area, corners_of, inverse

PANEL = 640  # pixels: the longest side of each picture
MARGIN, CAPTION, LABEL = 28, 120, 34
MOST_LINES = 2
SHARPER = 2  # lines are drawn this much larger, then reduced
DIMMED = 0.38  # brightness of what the other picture does not show
HEAT_FULL = 12.0  # times the noise
HEAT_COVER = 0.45


def overlay(evidence: Evidence) -> Image.Image:
    """Draw two pictures side by side: the shared area outlined, the altered one as a heat map.

    What only one of the two shows is darkened.
    """
    a, b, comparison = evidence.first, evidence.second, evidence.comparison
    to_b = None if comparison.match is None else np.array(comparison.match.transform)
    to_a = None if to_b is None else inverse(to_b)
    panels = [_panel(a, b, to_b, np.eye(3), evidence), _panel(b, a, to_a, to_a, evidence)]
    height = max(panel.height for panel in panels)
    width = sum(panel.width for panel in panels) + 3 * MARGIN
    width = max(width, 2 * MARGIN + PANEL)
    canvas = Image.new("RGB", (width, CAPTION + height + LABEL + MARGIN), GROUND)
    left = (width - sum(panel.width for panel in panels) - MARGIN) // 2
    for name, panel, original in zip("AB", panels, (a, b), strict=True):
        top = CAPTION + (height - panel.height) // 2
        canvas.paste(panel, (left, top))
        _label(
            canvas, (left, CAPTION + height + 8), f"{name}   {original.width} x {original.height}"
        )
        left += panel.width + MARGIN
    _caption(canvas, comparison)
    return canvas


def _panel(
    picture: DecodedImage,
    other: DecodedImage,
    to_other: Matrix | None,
    to_a: Matrix | None,
    evidence: Evidence,
) -> Image.Image:
    """Return one picture at its size in the drawing, marked.

    ``to_other`` and ``to_a`` take its original pixels to the other's and to the first one's.
    """
    original = (picture.width, picture.height)
    factor = PANEL / max(original)
    size = (max(1, round(picture.width * factor)), max(1, round(picture.height * factor)))
    panel = picture.image.convert("RGB").resize(size, Image.Resampling.LANCZOS)
    if to_other is None or to_a is None:
        return panel
    shared = common_area(to_other, original, (other.width, other.height)) * factor
    panel = _dimmed(panel, shared)
    boxes = [_outline(box, inverse(to_a)) * factor for box in _boxes(evidence.comparison)]
    panel = _heated(panel, evidence, to_a @ np.diag([1 / factor, 1 / factor, 1.0]))
    return _lined(panel, shared, boxes)


def _boxes(comparison: Comparison) -> tuple[tuple[int, int, int, int], ...]:
    return () if comparison.match is None else comparison.match.altered_boxes


def _outline(box: tuple[int, int, int, int], transform: Matrix) -> Matrix:
    x, y, width, height = box
    return applied(transform, corners_of((width, height)) + (x, y))


def _dimmed(panel: Image.Image, shared: Matrix) -> Image.Image:
    shown = Image.new("L", panel.size, 0)
    if len(shared) > 2:
        ImageDraw.Draw(shown).polygon([tuple(point) for point in shared], fill=255)
    dark = panel.point(lambda value: value * DIMMED)
    return Image.composite(panel, dark, shown)


def _heated(panel: Image.Image, evidence: Evidence, to_a: Matrix) -> Image.Image:
    """Put the heat map over the altered area; ``to_a`` takes the panel's pixels to A's."""
    mask, strength = evidence.comparison.altered_mask, evidence.comparison.strength
    if mask is None or strength is None:
        return panel
    from_panel = evidence.to_mask @ to_a
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    values = np.where(mask, np.clip(strength / HEAT_FULL, 0.0, 1.0), 0).astype(np.float32)
    heat = cv2.warpPerspective(values, from_panel, panel.size, flags=flags)
    cover = cv2.warpPerspective(mask.astype(np.float32), from_panel, panel.size, flags=flags)
    steps = np.linspace(0, 1, len(HEAT))
    colour = np.stack([np.interp(heat, steps, [each[c] for each in HEAT]) for c in range(3)], 2)
    share = (HEAT_COVER * cv2.GaussianBlur(cover, (0, 0), 1.5))[..., None]
    mixed = share * colour + (1 - share) * np.asarray(panel)
    return Image.fromarray(np.clip(mixed, 0, 255).astype(np.uint8))


def _lined(panel: Image.Image, shared: Matrix, boxes: list[Matrix]) -> Image.Image:
    """Draw the outlines, each on a darker one, so that they show on any ground."""
    large = Image.new("RGBA", (panel.width * SHARPER, panel.height * SHARPER), (0, 0, 0, 0))
    draw = ImageDraw.Draw(large)
    for colour, width, outlines in ((SHARED, 3, [shared]), (ALTERED, 2, boxes)):
        for outline in outlines:
            _closed_line(draw, outline, (0, 0, 0), (width + 2) * SHARPER)
            _closed_line(draw, outline, colour, width * SHARPER)
    lines = large.resize(panel.size, Image.Resampling.LANCZOS)
    return Image.alpha_composite(panel.convert("RGBA"), lines).convert("RGB")


def _closed_line(
    draw: ImageDraw.ImageDraw, outline: Matrix, colour: tuple[int, int, int], width: int
) -> None:
    if len(outline) < 3:
        return
    image = draw.im
    limit = np.array([image.size[0], image.size[1]]) - 1 - width / 2
    points = np.clip(outline * SHARPER, width / 2, limit)  # at the rim a line stays visible
    draw.line([tuple(point) for point in (*points, *points[:2])], colour, width, joint="curve")


def _label(canvas: Image.Image, place: tuple[int, int], words: str) -> None:
    ImageDraw.Draw(canvas).text(place, words, fill=FAINT, font=ImageFont.load_default(16))


def _caption(canvas: Image.Image, comparison: Comparison) -> None:
    draw = ImageDraw.Draw(canvas)
    title, words = ImageFont.load_default(22), ImageFont.load_default(18)
    verdict = comparison.verdict.value.replace("_", " ")
    length = draw.textlength(verdict, font=title)
    chip = (MARGIN, 18, MARGIN + length + 28, 54)
    draw.rounded_rectangle(chip, radius=8, fill=TONES[tone_of(comparison.verdict)])
    draw.text((MARGIN + 14, 36), verdict, fill=(255, 255, 255), font=title, anchor="lm")
    if comparison.score is not None:
        score = f"similarity {comparison.score:.2f}"
        draw.text((chip[2] + 16, 36), score, fill=FAINT, font=words, anchor="lm")
    characters = max(20, int((canvas.width - 2 * MARGIN) / draw.textlength("n", font=words)))
    lines = textwrap.wrap(
        comparison.description, characters, max_lines=MOST_LINES, placeholder=" ..."
    )
    draw.multiline_text((MARGIN, 64), "\n".join(lines), fill=INK, font=words, spacing=4)
