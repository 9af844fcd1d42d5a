"""What a query may show of its original: turned, mirrored, a part of it."""

from __future__ import annotations

from PIL import Image

PART = 0.6  # of the query's side that each crop keeps

_TURNS = (
    Image.Transpose.FLIP_LEFT_RIGHT,
    Image.Transpose.ROTATE_90,
    Image.Transpose.ROTATE_180,
    Image.Transpose.ROTATE_270,
)
_CORNERS = ((0.5, 0.5), (0, 0), (1, 0), (0, 1), (1, 1))


def views(image: Image.Image) -> list[Image.Image]:
    """Return the picture as it is, its mirror image, three rotations and five crops."""
    width, height = (max(1, round(side * PART)) for side in image.size)
    room = image.width - width, image.height - height
    places = [(round(room[0] * x), round(room[1] * y)) for x, y in _CORNERS]
    crops = [image.crop((x, y, x + width, y + height)) for x, y in places]
    return [image, *(image.transpose(turn) for turn in _TURNS), *crops]
