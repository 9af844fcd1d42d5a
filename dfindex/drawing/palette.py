"""The colours of all drawings, as (red, green, blue) from 0 to 255."""

from __future__ import annotations

from search.verdict import Tone

GROUND, INK, FAINT = (24, 26, 31), (240, 242, 245), (150, 156, 166)
SHARED, ALTERED = (64, 224, 208), (255, 71, 71)
HEAT = ((255, 214, 10), (255, 120, 0), (214, 0, 28))  # from just visible to strongest
TONES = {
    Tone.FOUND: (46, 160, 67),
    Tone.ALTERED: (208, 60, 52),
    Tone.NEAR: (191, 135, 0),
    Tone.NONE: (101, 109, 118),
}
