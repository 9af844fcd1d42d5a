"""The pictures of a comparison that lie on each other: what was found, aligned with the first."""

from __future__ import annotations

import io
from dataclasses import dataclass

import cv2
import numpy as np
from PIL import Image

from dfindex.drawing.comparison import HEAT_FULL
from dfindex.drawing.palette import HEAT
from indexer.types import UInt8
from search.evidence import Evidence
from search.verification.compare import Comparison
from search.verification.transforms import PIXEL_CENTRE, Matrix

SIDE = 1400  # pixels: the longest side of each layer
_AMPLIFIED = 4  # times: differences are too faint to be seen otherwise
_FAINTEST_HEAT = 0.35


@dataclass(frozen=True)
class Layers:
    """Encoded pictures; all but ``second`` have the size and the frame of the first.

    ``aligned`` is the second warped onto the first, transparent where it shows nothing;
    ``difference`` and ``heat`` are None as well where the two have nothing in common.
    """

    width: int
    height: int
    first: bytes
    second: bytes
    aligned: bytes | None
    difference: bytes | None
    heat: bytes | None

    def named(self, name: str) -> bytes | None:
        """Return a layer by its name."""
        found: bytes | None = getattr(self, name)
        return found


LAYERS = {
    "first": "image/jpeg",
    "second": "image/jpeg",
    "aligned": "image/webp",
    "difference": "image/webp",
    "heat": "image/webp",
}


def layers_of(evidence: Evidence) -> Layers:
    """Draw the layers of two upright pictures that were compared."""
    a, b, match = evidence.first, evidence.second, evidence.comparison.match
    factor = min(1.0, SIDE / max(a.image.size))
    size = (max(1, round(a.image.width * factor)), max(1, round(a.image.height * factor)))
    first = np.asarray(a.image.convert("RGB").resize(size, Image.Resampling.LANCZOS))
    aligned = difference = heat = None
    if match is not None:
        to_a = np.diag([a.width / size[0], a.height / size[1], 1.0])
        to_b = np.diag([b.image.width / b.width, b.image.height / b.height, 1.0])
        warped, shown = _warped(b.image, to_b @ np.array(match.transform) @ to_a, size)
        aligned = _webp(np.dstack([warped, shown]))
        difference = _webp(_difference(first, warped, shown))
        heat = _heat(evidence.comparison, evidence.to_mask @ to_a, size)
    other = b.image.convert("RGB")
    other.thumbnail((SIDE, SIDE), Image.Resampling.LANCZOS)
    return Layers(*size, _jpeg(first), _jpeg(np.asarray(other)), aligned, difference, heat)


def _warped(b: Image.Image, to_b: Matrix, size: tuple[int, int]) -> tuple[UInt8, UInt8]:
    """Return the second picture in the first's frame, and where it shows something."""
    pixels = np.asarray(b.convert("RGB"))
    matrix = np.linalg.inv(PIXEL_CENTRE) @ to_b @ PIXEL_CENTRE
    shrink = float(np.sqrt(abs(np.linalg.det(matrix[:2, :2]))))
    if shrink > 1:  # the second is larger: without this it would be sampled too sparsely
        pixels = cv2.GaussianBlur(pixels, (0, 0), 0.4 * shrink)
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    warped = cv2.warpPerspective(pixels, matrix, size, flags=flags)
    inside = np.full(pixels.shape[:2], 255, np.uint8)
    shown = cv2.warpPerspective(
        inside, matrix, size, flags=cv2.INTER_NEAREST | cv2.WARP_INVERSE_MAP
    )
    return np.asarray(warped, np.uint8), np.asarray(shown, np.uint8)


def _difference(first: UInt8, warped: UInt8, shown: UInt8) -> UInt8:
    """Return how far each pixel is from its counterpart, amplified, in colours that rise evenly."""
    far = np.abs(first.astype(np.int16) - warped).max(axis=2)
    level = np.clip(_AMPLIFIED * far, 0, 255).astype(np.uint8)
    coloured = cv2.cvtColor(cv2.applyColorMap(level, cv2.COLORMAP_INFERNO), cv2.COLOR_BGR2RGB)
    return np.dstack([coloured, shown])


def _heat(comparison: Comparison, to_mask: Matrix, size: tuple[int, int]) -> bytes | None:
    if comparison.strength is None or comparison.altered_mask is None:
        return None
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    values = np.clip(comparison.strength / HEAT_FULL, 0, 1).astype(np.float32)
    strength = cv2.warpPerspective(values, to_mask, size, flags=flags)
    cover = cv2.warpPerspective(
        comparison.altered_mask.astype(np.float32), to_mask, size, flags=flags
    )
    steps = np.linspace(0, 1, len(HEAT))
    colour = np.stack([np.interp(strength, steps, [each[c] for each in HEAT]) for c in range(3)], 2)
    alpha = 255 * cover * (_FAINTEST_HEAT + (0.8 - _FAINTEST_HEAT) * strength)
    return _webp(np.dstack([colour, alpha]).astype(np.uint8))


def _jpeg(pixels: UInt8) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=90)
    return buffer.getvalue()


def _webp(pixels: UInt8) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels, "RGBA").save(buffer, "WEBP", quality=85, method=2)
    return buffer.getvalue()
