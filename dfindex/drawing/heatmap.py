"""The picture of an explanation: where the encoder looks, laid over what it was shown."""

from __future__ import annotations

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from dfindex.drawing.palette import FAINT, GROUND, INK, SHARED
from dfindex.explanation.explain import Explanation
from indexer.types import Float32

LONGEST = 1000  # pixels: the picture's longest side in the drawing
MARGIN, CAPTION, KEY = 24, 96, 14
REGION = (255, 255, 255)
UNSEEN = 0.35  # brightness of what the encoder was not shown
MOST_COVER, LEAST_COVER = 0.72, 0.12
WORDS = {
    "rollout": "attention rollout: which patches reach the class token",
    "grad-rollout": "gradient-weighted rollout: which patches speak for fake",
    "patch-logit": "the head applied to each patch: red speaks for fake, blue against",
}
PROBE_WORDS = "a probe's head applied to each patch: red speaks for fake, blue against"


def draw(explanation: Explanation) -> Image.Image:
    """Draw a picture with its map; what lies outside the crop is darkened."""
    picture = explanation.picture.convert("RGB")
    factor = LONGEST / max(picture.size)
    size = (max(1, round(picture.width * factor)), max(1, round(picture.height * factor)))
    panel = picture.resize(size, Image.Resampling.LANCZOS)
    scale = size[0] / explanation.width
    panel = _laid_over(panel, explanation, scale)
    width = max(size[0] + 2 * MARGIN, 560)
    canvas = Image.new("RGB", (width, CAPTION + size[1] + 2 * MARGIN + KEY + 18), GROUND)
    left = (width - size[0]) // 2
    canvas.paste(panel, (left, CAPTION))
    _caption(canvas, explanation)
    _key(canvas, explanation, (MARGIN, CAPTION + size[1] + MARGIN // 2))
    return canvas


def _laid_over(panel: Image.Image, explanation: Explanation, scale: float) -> Image.Image:
    x, y, width, height = (round(scale * value) for value in explanation.seen)
    x, y = max(0, x), max(0, y)
    width, height = min(width, panel.width - x), min(height, panel.height - y)
    level, signed = _levels(explanation.values)
    level = cv2.resize(level, (width, height), interpolation=cv2.INTER_CUBIC)
    strength = np.clip(np.abs(level), 0, 1)[..., None]
    colour = _colours(level, signed)
    inside = np.asarray(panel.crop((x, y, x + width, y + height)), np.float32)
    grey = inside @ np.array([0.299, 0.587, 0.114], np.float32)
    quiet = 0.6 * grey[..., None] + 0.4 * inside
    cover = LEAST_COVER + (MOST_COVER - LEAST_COVER) * strength
    mixed = cover * colour + (1 - cover) * quiet
    result = panel.point(lambda value: value * UNSEEN)
    result.paste(Image.fromarray(np.clip(mixed, 0, 255).astype(np.uint8)), (x, y))
    lines = ImageDraw.Draw(result)
    lines.rectangle((x, y, x + width - 1, y + height - 1), outline=SHARED, width=2)
    for number, region in enumerate(explanation.top_regions, start=1):
        _outline(lines, tuple(round(scale * value) for value in region.box), str(number))
    return result


def _outline(lines: ImageDraw.ImageDraw, box: tuple[int, ...], name: str) -> None:
    x, y, width, height = box
    for colour, line in (((0, 0, 0), 4), (REGION, 2)):
        lines.rectangle((x, y, x + width - 1, y + height - 1), outline=colour, width=line)
    font = ImageFont.load_default(16)
    lines.text((x + 7, y + 4), name, fill=REGION, font=font, stroke_width=2, stroke_fill=(0, 0, 0))


def _levels(values: Float32) -> tuple[Float32, bool]:
    """Return a map on a scale to 1, from -1 where it has a sign; the highest 1 % are cut off."""
    if values.min() < 0:
        largest = float(np.quantile(np.abs(values), 0.99)) or 1.0
        return np.clip(values / largest, -1, 1).astype(np.float32), True
    low, high = (float(q) for q in np.quantile(values, (0.05, 0.99)))
    span = high - low or 1.0
    return np.clip((values - low) / span, 0, 1).astype(np.float32), False


def _colours(level: Float32, signed: bool) -> Float32:
    """Return colours (..., 3): inferno from dark to bright, or blue and red for the two signs."""
    if not signed:
        steps = np.clip(255 * level, 0, 255).astype(np.uint8)
        bright = cv2.applyColorMap(steps, cv2.COLORMAP_INFERNO)[..., ::-1]
        return np.asarray(bright, np.float32)
    red, blue = np.array([230, 40, 30], np.float32), np.array([40, 90, 230], np.float32)
    return np.where(level[..., None] > 0, red, blue)


def _caption(canvas: Image.Image, explanation: Explanation) -> None:
    draw = ImageDraw.Draw(canvas)
    title, words = ImageFont.load_default(20), ImageFont.load_default(15)
    chance = explanation.probability_fake
    head = "no fake/real head" if chance is None else f"p(fake) {chance:.3f}"
    draw.text((MARGIN, 16), f"{explanation.encoder}   {head}", fill=INK, font=title)
    draw.text((MARGIN, 46), WORDS.get(explanation.method, PROBE_WORDS), fill=INK, font=words)
    rest = f"preset {explanation.preset}, orientation {explanation.orientation}"
    if explanation.block != -1:
        rest += f", block {explanation.block}"
    draw.text((MARGIN, 68), rest, fill=FAINT, font=words)


def _key(canvas: Image.Image, explanation: Explanation, place: tuple[int, int]) -> None:
    signed = bool(explanation.values.min() < 0)
    ramp = np.linspace(-1 if signed else 0, 1, 160, dtype=np.float32)[None].repeat(KEY, axis=0)
    strength = np.abs(ramp)[..., None] if signed else np.ones((*ramp.shape, 1), np.float32)
    bar = strength * _colours(ramp, signed) + (1 - strength) * np.array(GROUND, np.float32)
    font = ImageFont.load_default(13)
    draw = ImageDraw.Draw(canvas)
    values = explanation.values
    x, y = place
    ends = (f"{values.min():.3g}", f"{values.max():.3g}")
    draw.text((x, y), ends[0], fill=FAINT, font=font)
    start = x + round(draw.textlength(ends[0], font=font)) + 8
    canvas.paste(Image.fromarray(np.clip(bar, 0, 255).astype(np.uint8)), (start, y + 2))
    draw.text((start + 168, y), ends[1], fill=FAINT, font=font)
    note = "outlined: what the encoder was shown; numbered: the regions that stand out"
    draw.text((x, y + KEY + 8), note, fill=FAINT, font=font)
