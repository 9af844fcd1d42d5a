"""What a comparison found, in words for people."""

from __future__ import annotations

from dataclasses import dataclass

from search.results import Match
from search.verdict import Verdict

WHOLE = 0.97  # an overlap that is called the whole picture
UPRIGHT = 1.5  # degrees
SAME_SIZE = 0.03
MOST_BOXES = 3

TONES = 5.0  # levels of mean change
RECOMPRESSED = 0.7  # levels of noise


@dataclass(frozen=True)
class Change:
    """What happened to the common area as a whole, in levels of 255.

    ``compared`` says that enough of it is precisely the same for an alteration to show.
    """

    tones: float = 0.0
    noise: float = 0.0
    same_pixels: bool = False
    compared: bool = True


_WITHOUT_MATCH = {
    Verdict.SIMILAR: "the same thing or place may be in both, but they are two pictures",
    Verdict.UNRELATED: "no common structure found",
    Verdict.NOT_ASSESSABLE: "too little structure to judge",
    Verdict.EXACT: "the same file",
}


def described(verdict: Verdict, match: Match | None, change: Change | None = None) -> str:
    """Say what became of the first picture, A, in the second, B."""
    if verdict not in (Verdict.COPY, Verdict.ALTERED_COPY) or match is None:
        return _WITHOUT_MATCH.get(verdict, verdict.value)
    if change is not None and change.same_pixels:
        return "the same pixels in another file"
    found = [*_geometry(match), *_extent(match), *_alteration(match, change)]
    if change is not None and change.tones >= TONES:
        found.append("tones changed")
    if change is not None and change.noise >= RECOMPRESSED:
        found.append("recompressed or resampled")
    return "; ".join(found)


def _geometry(match: Match) -> list[str]:
    found = ["mirrored"] if match.mirrored else []
    if abs(match.rotation_deg) >= UPRIGHT:
        found.append(f"turned by {match.rotation_deg:.0f}°")
    if abs(match.scale - 1) >= SAME_SIZE:
        found.append(f"scaled to {100 * match.scale:.0f} %")
    return found


def _extent(match: Match) -> list[str]:
    if match.query_overlap >= WHOLE and match.sample_overlap >= WHOLE:
        return ["shows the whole picture"]
    if match.query_overlap >= WHOLE:
        return [f"the whole of A fills {100 * match.sample_overlap:.0f} % of B"]
    if match.sample_overlap >= WHOLE:
        return [f"shows {100 * match.query_overlap:.0f} % of A"]
    return [
        f"shows {100 * match.query_overlap:.0f} % of A, on {100 * match.sample_overlap:.0f} % of B"
    ]


def _alteration(match: Match, change: Change | None) -> list[str]:
    if not match.altered_boxes and change is not None and not change.compared:
        return ["too unlike in detail to say whether anything was altered"]
    if not match.altered_boxes:
        return ["nothing altered in the common area"]
    boxes = ", ".join(
        f"({x}, {y}, {width}, {height})" for x, y, width, height in match.altered_boxes[:MOST_BOXES]
    )
    more = len(match.altered_boxes) - MOST_BOXES
    tail = f" and {more} smaller" if more > 0 else ""
    return [f"{100 * match.altered_fraction:.1f} % of the visible area altered, at {boxes}{tail}"]
