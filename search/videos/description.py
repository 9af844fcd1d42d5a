"""What two videos have in common, in words for people."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from search.verdict import Verdict
from search.videos.results import CheckedFrame, Part, VideoMatch

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


def described(verdict: Verdict, video: VideoMatch, names: tuple[str, str]) -> VideoMatch:
    """Say where a video lies in another, how much of both is shared, and what became of it."""
    return replace(video, description="; ".join(_sentences(verdict, video, *names)))


def _sentences(verdict: Verdict, video: VideoMatch, query: str, sample: str) -> list[str]:
    if verdict is Verdict.EXACT:
        return [f"the same file as {sample}"]
    if verdict is Verdict.NOT_ASSESSABLE:
        return ["nothing but blank frames to compare: nothing can be said"]
    if not video.segments:
        return [f"nothing of it found in {sample}"]
    if verdict is Verdict.SIMILAR and not video.checked:
        return [f"looks like {sample} {_places(video)}", "no pixels were compared"]
    if max(video.share_query, video.share_sample) <= 0:
        return [f"looks like {sample} {_places(video)}", "but no frame is a copy of one there"]
    found = [_shares(video, query, sample), *(["mirrored"] if video.mirrored else [])]
    found += ["reversed in time"] if video.reversed else []
    if verdict is Verdict.SIMILAR:
        found.append("too little of either to call it a copy")
    return [*found, _places(video), *changes(video.checked)]


def _shares(video: VideoMatch, query: str, sample: str) -> str:
    if video.duration_s <= 0:
        return f"shows {sample} in {_percent(video.share_query)} of {query}"
    there, here = _percent(video.share_sample), _percent(video.share_query)
    return f"shows {there} of {sample}, which is {here} of {query}"


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %" if share <= 0 or share >= 0.01 else "less than 1 %"


def _places(video: VideoMatch) -> str:
    parts = [one for one in video.segments if one.verified is not False] or video.segments
    if video.duration_s <= 0:
        return f"at {clock(parts[0].query_from_s)}"
    places = [_place(one) for one in parts[:MOST_PARTS]]
    more = len(parts) - MOST_PARTS
    return "; ".join([*places, *([f"and {more} shorter parts"] if more > 0 else [])])


def changes(checked: Sequence[CheckedFrame]) -> list[str]:
    """Say what the compared frames show to be different."""
    matches = [one.match for one in checked if one.match is not None]
    if not matches:
        return []
    found = []
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
    backwards = ", backwards" if part.reversed else ""
    begin, end = clock(part.sample_from_s), clock(part.sample_until_s)
    when = f"at {begin}" if begin == end else f"from {begin} to {end}"
    return (
        f"{when}{backwards}, "
        f"offset {round(part.offset_s, 1) + 0.0:+.1f} s, "
        f"{part.frames_matched} of {part.frames_compared} frames"
    )
