"""A strip of frames that were compared, with their times, over the curve of likeness."""

from __future__ import annotations

from collections.abc import Sequence

from PIL import Image, ImageDraw, ImageFont

from dfindex.drawing.palette import ALTERED, FAINT, GROUND, INK, SHARED
from indexer.errors import UnavailableError
from indexer.media.image import DecodedImage
from search.videos.description import clock
from search.videos.frames import Frames
from search.videos.results import CheckedFrame, VideoMatch

CELL = 200  # pixels: the width of a frame in the strip
MARGIN, CAPTION, CURVE = 12, 22, 90
MOST = 8  # frames side by side


def strip_of(query: Frames, sample: Frames, video: VideoMatch) -> Image.Image:
    """Draw the query's frames over the sample's, what was altered outlined, and the curve below.

    Frames of a file that cannot be had any more are left out.
    """
    checked = sorted(video.checked, key=lambda one: one.query_s)[:MOST]
    rows = []
    order = sorted(checked, key=lambda one: one.sample_s)
    above = _shown(query, [one.query_s for one in checked])
    below = _shown(sample, [one.sample_s for one in order])
    if above:
        boxes = [one.match.altered_boxes if one.match else () for one in checked]
        rows.append(_row(above, [one.query_s for one in checked], boxes))
    if below:
        by_pair = dict(zip(map(id, order), below, strict=True))
        frames = [by_pair[id(one)] for one in checked]
        rows.append(_row(frames, [one.sample_s for one in checked], [()] * len(checked)))
    width = max([row.width for row in rows], default=4 * CELL)
    height = sum(row.height for row in rows) + CURVE + 2 * MARGIN
    canvas = Image.new("RGB", (width, height), GROUND)
    top = 0
    for row in rows:
        canvas.paste(row, (0, top))
        top += row.height
    _draw_curve(canvas, top + MARGIN, video, checked)
    return canvas


def _shown(frames: Frames, times: Sequence[float]) -> list[DecodedImage]:
    try:
        return (frames(times, at_least=CELL) if times else None) or []
    except UnavailableError:
        return []


def _row(
    frames: Sequence[DecodedImage],
    times: Sequence[float],
    boxes: Sequence[Sequence[tuple[int, int, int, int]]],
) -> Image.Image:
    """Draw frames side by side, each under its time."""
    cells = [_cell(frame, mine) for frame, mine in zip(frames, boxes, strict=True)]
    height = max(cell.height for cell in cells) + CAPTION + MARGIN
    row = Image.new("RGB", (len(cells) * (CELL + MARGIN) + MARGIN, height), GROUND)
    draw, font = ImageDraw.Draw(row), ImageFont.load_default(14)
    for place, (cell, time_s) in enumerate(zip(cells, times, strict=True)):
        left = MARGIN + place * (CELL + MARGIN)
        row.paste(cell, (left, CAPTION))
        draw.text((left, 4), f"{clock(time_s)}.{int(time_s * 10) % 10}", fill=INK, font=font)
    return row


def _cell(frame: DecodedImage, boxes: Sequence[tuple[int, int, int, int]]) -> Image.Image:
    factor = CELL / frame.width
    cell = frame.image.resize((CELL, max(1, round(frame.height * factor))))
    draw = ImageDraw.Draw(cell)
    for x, y, width, height in boxes:
        corners = (x * factor, y * factor, (x + width) * factor, (y + height) * factor)
        draw.rectangle(corners, outline=ALTERED, width=2)
    return cell


def _draw_curve(
    canvas: Image.Image, top: int, video: VideoMatch, checked: Sequence[CheckedFrame]
) -> None:
    """Draw the cosine of each of the query's frames over time, and the matched parts."""
    draw, font = ImageDraw.Draw(canvas), ImageFont.load_default(12)
    left, right = MARGIN + 28, canvas.width - MARGIN
    end = max([time_s for time_s, _ in video.curve], default=0.0) or 1.0

    def place(time_s: float, score: float) -> tuple[float, float]:
        inside = min(1.0, max(0.0, time_s / end))
        return left + (right - left) * inside, top + (CURVE - 20) * (1 - max(0.0, score))

    for part in video.segments:
        low, high = place(part.query_from_s, 0), place(part.query_until_s, 1)
        draw.rectangle((low[0], high[1], high[0], low[1]), fill=(38, 56, 60))
    for score in (0.0, 0.5, 1.0):
        draw.line((place(0, score), place(end, score)), fill=(60, 64, 72))
        draw.text((MARGIN, place(0, score)[1] - 7), f"{score:.1f}", fill=FAINT, font=font)
    if len(video.curve) > 1:
        draw.line([place(*point) for point in video.curve], fill=SHARED, width=2)
    for one in checked:
        draw.line((place(one.query_s, 0), place(one.query_s, 1)), fill=FAINT)
    draw.text((left, top + CURVE - 16), "00:00", fill=FAINT, font=font)
    draw.text((right, top + CURVE - 16), clock(end), fill=FAINT, font=font, anchor="ra")
