"""What two videos have in common, in words for people."""

from __future__ import annotations

from collections.abc import Sequence

from search.verdict import Verdict
from search.video_results import CheckedFrame, Part

MOST_PARTS = 3
_TURNED = 1.5  # degrees
_SCALED = 0.03
_WHOLE = 0.97


def clock(seconds: float) -> str:
    """Return a time as people read it: 01:23, or 1:02:03."""
    whole = max(0, int(seconds))
    hours, minutes = whole // 3600, whole // 60 % 60
    text = f"{minutes:02d}:{whole % 60:02d}"
    return f"{hours}:{text}" if hours else text


def described(
    verdict: Verdict,
    name: str,
    parts: Sequence[Part],
    checked: Sequence[CheckedFrame],
    *,
    still: bool = False,
) -> str:
    """Say where a video lies in the sample called ``name``, and what became of it."""
    if verdict is Verdict.EXACT:
        return f"the same file as {name}"
    if not parts:
        return f"nothing of it found in {name}"
    if still:
        return f"shows {name} at {clock(parts[0].query_from_s)}"
    places = [_place(one) for one in parts[:MOST_PARTS]]
    more = len(parts) - MOST_PARTS
    if more > 0:
        places.append(f"and {more} shorter parts")
    return "; ".join([f"matches {name} {'; '.join(places)}", *changes(checked)])


def changes(checked: Sequence[CheckedFrame]) -> list[str]:
    """Say what the compared frames show to be different."""
    matches = [one.match for one in checked if one.match is not None]
    if not matches:
        return []
    found = []
    if sum(one.mirrored for one in matches) * 2 > len(matches):
        found.append("mirrored")
    middle = sorted(matches, key=lambda one: one.scale)[len(matches) // 2]
    if abs(middle.rotation_deg) >= _TURNED:
        found.append(f"turned by {middle.rotation_deg:.0f}°")
    if abs(middle.scale - 1) >= _SCALED:
        found.append(f"scaled to {100 * middle.scale:.0f} %")
    if middle.query_overlap < _WHOLE:
        found.append(f"{100 * middle.query_overlap:.0f} % of the picture in common")
    altered = [one for one in checked if one.verdict is Verdict.ALTERED_COPY and one.match]
    if altered:
        most = max(altered, key=lambda one: one.match.altered_fraction if one.match else 0.0)
        assert most.match is not None
        found.append(
            f"{100 * most.match.altered_fraction:.1f} % of the picture altered "
            f"at {clock(most.query_s)}, in {len(altered)} of {len(checked)} frames compared"
        )
    return found


def _place(part: Part) -> str:
    return (
        f"from {clock(part.sample_from_s)} to {clock(part.sample_until_s)}, "
        f"offset {part.offset_s:+.1f} s, "
        f"{part.frames_matched} of {part.frames_compared} frames"
    )
