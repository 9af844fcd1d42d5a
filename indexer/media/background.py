"""The ground that a transparent picture is laid on: one on which its content shows."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
from PIL import Image

from indexer.types import UInt8

WHITE, BLACK, GREY = (255, 255, 255), (0, 0, 0), (128, 128, 128)
_GROUNDS = (WHITE, BLACK, GREY)  # the first that serves is taken
_SERVES = 0.9  # share of the edges on the best ground that must show
_EDGE = 24  # levels between neighbours that an eye takes for an edge
_PIXELS = 4_000_000  # a larger picture is reduced, to the same at every scale asked for
_STRIP = 4_000_000  # pixels reduced at a time

Colour = tuple[int, int, int]


class Grounds:
    """Counts the edges that pictures with alpha would show on each ground.

    All frames of an animation are added to one count, so that they have one ground.
    """

    def __init__(self) -> None:
        self._edges = np.zeros(len(_GROUNDS), dtype=np.int64)

    def add(self, image: Image.Image) -> None:
        """Count a picture in full size, LA or RGBA."""
        if image.getchannel("A").getextrema() == (255, 255):
            return  # it shows the same on every ground
        # Pillow copies even where nothing changes, and a picture may be most of a gigabyte.
        rgba = image if image.mode == "RGBA" else image.convert("RGBA")
        self._edges += _edges(_small(rgba))

    def best(self) -> Colour:
        """Return white where the content shows on it, else black, else a grey, or what is best."""
        enough = _SERVES * self._edges.max()
        return next(
            ground for ground, edges in zip(_GROUNDS, self._edges, strict=True) if edges >= enough
        )


def on_ground(colours: Image.Image, alpha: Image.Image, ground: Colour) -> Image.Image:
    """Return RGB colours laid on a ground."""
    below = Image.new("RGB", colours.size, ground)
    below.paste(colours, mask=alpha)
    return below


def _small(image: Image.Image) -> Image.Image:
    """Return an RGBA picture at most `_PIXELS` large, or a little more where it is thin."""
    factor = math.ceil(math.sqrt(image.width * image.height / _PIXELS))
    if factor <= 1:
        return image
    small = Image.new("RGBA", (-(-image.width // factor), -(-image.height // factor)))
    rows = max(1, _STRIP // image.width // factor) * factor
    for top in range(0, image.height, rows):
        strip = image.crop((0, top, image.width, min(top + rows, image.height)))
        # Multiplied by alpha, so that the colours of what is clear do not count.
        small.paste(strip.convert("RGBa").reduce(factor).convert("RGBA"), (0, top // factor))
    return small


def _edges(image: Image.Image) -> npt.NDArray[np.int64]:
    colours, alpha = image.convert("RGB"), image.getchannel("A")
    return np.array([_count(on_ground(colours, alpha, ground)) for ground in _GROUNDS])


def _count(image: Image.Image) -> int:
    """Return how many neighbours, across and down, differ by an edge in any channel."""
    across: npt.NDArray[np.bool_] | bool = False
    down: npt.NDArray[np.bool_] | bool = False
    for channel in image.split():
        levels = np.asarray(channel)
        across = across | _differ(levels[:, 1:], levels[:, :-1])
        down = down | _differ(levels[1:], levels[:-1])
    return int(np.count_nonzero(across) + np.count_nonzero(down))


def _differ(some: UInt8, others: UInt8) -> npt.NDArray[np.bool_]:
    return np.maximum(some, others) - np.minimum(some, others) >= _EDGE
