"""Render edited copies of a photograph and remember where every part of it went."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from training.drawing import backdrop, screen, shapes, write
from training.geometry import Placement, scaling, trace_patches
from training.photos import Pyramid
from training.pixels import degrade, recolour

Picture = NDArray[np.uint8]
Rng = np.random.Generator
Background = Callable[[Rng, int], Picture]
SHRINK_LIMIT = 1.5
LEAST_VISIBLE = 0.02
TRIES = 5


@dataclass(frozen=True)
class Scene:
    """A placement and, for every canvas it was put on, what lies behind (the last one counts)."""

    placement: Placement
    background: Background
    tiles: int = 0


@dataclass(frozen=True)
class View:
    """One rendered copy: pixels (s, s, 3) uint8, its placement, and (s, s) 1 where source shows."""

    pixels: Picture
    placement: Placement
    visible: NDArray[np.uint8]


def other_picture(other: Pyramid) -> Background:
    """Show a random part of another picture as the background."""

    def render(rng: Rng, size: int) -> Picture:
        level = other[min(1, len(other) - 1)]
        height, width = level.shape[:2]
        part = rng.uniform(0.5, 1)
        top, left = int(rng.uniform(0, 1 - part) * height), int(rng.uniform(0, 1 - part) * width)
        window = level[top : top + int(height * part), left : left + int(width * part)]
        shrunk = cv2.resize(window, (size, size), interpolation=cv2.INTER_AREA)
        return np.ascontiguousarray(shrunk[:, ::-1] if rng.random() < 0.5 else shrunk)

    return render


def crop(placement: Placement, rng: Rng, least: float) -> Placement:
    """Keep between ``least`` and all of the area, small windows as likely as large ones."""
    area = float(np.exp(rng.uniform(np.log(least), 0)))
    width = min(1.0, np.sqrt(area * np.exp(rng.uniform(-0.4, 0.4))))
    height = min(1.0, area / width)
    return placement.crop(rng.uniform(0, 1 - width), rng.uniform(0, 1 - height), width, height)


def reframe(scene: Scene, rng: Rng, strength: float) -> Scene:
    """Crop, mirror, turn and tilt."""
    placement = scene.placement
    if rng.random() < 0.65:
        placement = crop(placement, rng, max(0.1, 1 - 0.9 * strength))
    if rng.random() < 0.25:
        placement = placement.mirror()
    if rng.random() < 0.3 * strength:
        placement = placement.rotate(90.0 * int(rng.integers(1, 4)), expand=True)
    if rng.random() < 0.3 * strength:
        degrees = rng.normal(0, 15) if rng.random() < 0.75 else rng.uniform(-180, 180)
        placement = placement.rotate(float(degrees), expand=rng.random() < 0.6)
    if rng.random() < 0.15 * strength:
        placement = placement.tilt(rng.normal(0, 0.07 * strength, (4, 2)))
    return replace(scene, placement=placement)


def _free_box(rng: Rng, smallest: float, aspect: float) -> tuple[float, float, float, float]:
    """Choose left, top, width, height of a box of roughly this relative aspect on a canvas."""
    side = rng.uniform(smallest, 0.9)
    stretch = np.exp(rng.uniform(-0.2, 0.2)) * aspect
    width, height = min(0.98, side * np.sqrt(stretch)), min(0.98, side / np.sqrt(stretch))
    return rng.uniform(0, 1 - width), rng.uniform(0, 1 - height), width, height


def put_on_canvas(scene: Scene, rng: Rng, strength: float, other: Pyramid) -> Scene:
    """Paste into another picture, a collage, a screenshot or between bars."""
    placement, kind = scene.placement, rng.random()
    canvas = float(np.exp(rng.uniform(-0.5, 0.5)))
    aspect = float(np.clip(placement.width / placement.height / canvas, 0.4, 2.5))
    smallest = min(0.85, 1 - 0.72 * strength)
    if kind < 0.4:
        box = _free_box(rng, smallest, aspect)
        return Scene(placement.embed(*box, canvas), other_picture(other))
    if kind < 0.6:
        columns, rows = ((2, 1), (1, 2), (2, 2), (3, 1))[int(rng.integers(4))]
        left, top = rng.integers(columns) / columns, rng.integers(rows) / rows
        place = placement.embed(left, top, 1 / columns, 1 / rows, canvas)
        return Scene(place, other_picture(other), tiles=10 * columns + rows)
    if kind < 0.82:
        box = _free_box(rng, smallest, aspect)
        if rng.random() < 0.4:
            box = (0.0, box[1], 1.0, box[3])
        return Scene(placement.embed(*box, canvas), screen)
    part = rng.uniform(0.45, 0.95)
    start = (1 - part) / 2 if rng.random() < 0.8 else rng.uniform(0, 1 - part)
    box = (0.0, start, 1.0, part) if rng.random() < 0.6 else (start, 0.0, part, 1.0)
    return Scene(placement.embed(*box, canvas), backdrop)


def _behind(scene: Scene, rng: Rng, size: int) -> Picture:
    picture = scene.background(rng, size)
    columns, rows = divmod(scene.tiles, 10)
    for column in range(columns):
        for row in range(rows):
            left, right = column * size // columns, (column + 1) * size // columns
            top, bottom = row * size // rows, (row + 1) * size // rows
            tile = cv2.resize(picture, (right - left, bottom - top), interpolation=cv2.INTER_AREA)
            picture = picture.copy()
            picture[top:bottom, left:right] = np.roll(tile, (column + row) * 7, axis=1)
    return picture


def render(scene: Scene, source: Pyramid, rng: Rng, size: int) -> View:
    """Cut the view out of the pyramid level that fits, over the scene's background."""
    placement = scene.placement.squash(size)
    visible = placement.visible()
    shrink = np.sqrt(abs(np.linalg.det(placement.back[:2, :2])))
    level = int(np.clip(np.ceil(np.log2(max(shrink, 1e-6) / SHRINK_LIMIT)), 0, len(source) - 1))
    height, width = source[level].shape[:2]
    onto = scaling(width / source[0].shape[1], height / source[0].shape[0]) @ placement.back
    half = np.array([[1.0, 0, 0.5], [0, 1.0, 0.5], [0, 0, 1.0]])
    onto = np.linalg.inv(half) @ onto @ half
    pixels = cv2.warpPerspective(
        source[level],
        onto,
        (size, size),
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_REPLICATE,
    )
    if not visible.all():
        behind = _behind(scene, rng, size)
        pixels = np.where(visible[..., None] > 0, pixels, behind)
    return View(np.ascontiguousarray(pixels, np.uint8), placement, visible)


def cover(view: View, rng: Rng, strength: float, other: Pyramid) -> View:
    """Paste another picture, shapes or words onto the view; hidden parts no longer count."""
    pixels, visible = view.pixels.copy(), view.visible.copy()
    size = pixels.shape[0]
    if rng.random() < 0.5 * strength:
        width, height = (rng.uniform(0.15, 0.6, 2) * size).astype(int).tolist()
        left, top = int(rng.uniform(0, size - width)), int(rng.uniform(0, size - height))
        patch = other_picture(other)(rng, size)
        patch = cv2.resize(patch, (width, height), interpolation=cv2.INTER_AREA)
        if rng.random() < 0.3:
            frame = max(1, int(rng.uniform(0.01, 0.04) * size))
            cv2.rectangle(patch, (0, 0), (width - 1, height - 1), (255,) * 3, frame)
        pixels[top : top + height, left : left + width] = patch
        visible[top : top + height, left : left + width] = 0
    if rng.random() < 0.2 * strength:
        shapes(pixels, rng)
    if rng.random() < 0.3 * strength:
        write(pixels, rng)
    return replace(view, pixels=pixels, visible=visible)


def edited_view(
    origin: Placement, source: Pyramid, other: Pyramid, rng: Rng, size: int, strength: float
) -> View:
    """Render one copy, edited with a strength between 0 (hardly) and 1 (beyond recognition)."""
    scene = reframe(Scene(origin, backdrop), rng, strength)
    if rng.random() < 0.45 * strength:
        scene = put_on_canvas(scene, rng, strength, other)
        if rng.random() < 0.15 * strength:
            scene = reframe(scene, rng, 0.3 * strength)
    view = cover(render(scene, source, rng, size), rng, strength, other)
    pixels = view.pixels
    if rng.random() < 0.8:
        pixels = recolour(pixels, rng, strength)
    return replace(view, pixels=degrade(pixels, rng, strength))


def training_pair(
    source: Pyramid, other: Pyramid, rng: Rng, size: int, strength: float
) -> tuple[View, View, NDArray[np.int16]]:
    """Render a nearly untouched copy, a strongly edited one, and trace patches between the two.

    A third of the time a part of the photograph stands for the whole: more originals from few.
    """
    height, width = source[0].shape[:2]
    origin = Placement.whole(width, height)
    if rng.random() < 0.33:
        origin = crop(origin, rng, 0.3)
    first = _light_view(origin, source, rng, size)
    for _ in range(TRIES):
        second = edited_view(origin, source, other, rng, size, strength)
        trace = trace_patches(first.placement, first.visible, second.placement, second.visible)
        if second.visible.mean() > LEAST_VISIBLE and (trace >= 0).any():
            break
    return first, second, trace


def _light_view(origin: Placement, source: Pyramid, rng: Rng, size: int) -> View:
    if rng.random() < 0.3:
        origin = crop(origin, rng, 0.8)
    view = render(Scene(origin, backdrop), source, rng, size)
    if rng.random() < 0.3:
        view = replace(view, pixels=recolour(view.pixels, rng, 0.15))
    return replace(view, pixels=degrade(view.pixels, rng, 0.15))
