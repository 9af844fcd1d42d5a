"""What a search found, in sentences: what it is a copy of, and what was changed in it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import PurePath
from typing import TYPE_CHECKING

from search.verdict import CALLED, COPIES, Verdict
from search.verification.description import RECOMPRESSED, SAME_SIZE, TONES, UPRIGHT, WHOLE

if TYPE_CHECKING:
    from search.results import AnyResult, Hit, Match
    from search.verification.description import Change

_NEARLY_ALL = 0.6  # of the picture's area in boxes


def facts(hit: Hit, result: AnyResult) -> list[str]:
    """Return what is known of a finding: how it was cut, what was altered, how it was treated."""
    from search.videos.results import VideoHit

    if isinstance(hit, VideoHit):
        return [hit.video.description]
    if hit.verdict is Verdict.EXACT:
        return ["the same bytes"]
    if hit.match is None:
        return []
    evidence = getattr(result, "evidence", {}).get(hit.sample.id)
    change = None if evidence is None else evidence.comparison.change
    if change is not None and change.same_pixels:
        same = hit.sample.sha256 == result.query.sha256
        return [f"the same pixels {'on another page' if same else 'in another file'}"]
    size = result.query.width, result.query.height
    shown = hit.match.altered_boxes
    altered = _altered(hit.match, size) if shown else _unaltered(hit.match, change)
    return [*_cut(hit.match), altered, *_treated(change)]


def rest(result: AnyResult) -> str:
    """Say what the hits are that are no findings, "" where there are none."""
    others = [hit.verdict for hit in result.hits if hit.verdict not in COPIES]
    if not others:
        return ""
    counts = {verdict: others.count(verdict) for verdict in dict.fromkeys(others)}
    if len(counts) == 1:
        (verdict,) = counts
        every = "" if len(others) == 1 else "all "
        return f"{len(others)} nearest, {every}{CALLED[verdict]}"
    parts = ", ".join(f"{count} {CALLED[verdict]}" for verdict, count in counts.items())
    return f"{len(others)} nearest: {parts}"


def shown_path(path: str, roots: Sequence[str]) -> str:
    """Return a path from the folder of the corpus that it lies in, where that tells it apart."""
    inside = [root for root in roots if PurePath(path).is_relative_to(root) and path != root]
    names = {PurePath(root).name for root in roots}
    if not inside or len(names) < len(roots):
        return path
    root = PurePath(max(inside, key=len))
    return str(PurePath(path).relative_to(root if len(roots) == 1 else root.parent))


def where(boxes: Sequence[tuple[int, int, int, int]], size: tuple[int, int]) -> str:
    """Say where in a picture of a size (width, height) boxes (x, y, w, h) lie, as people do."""
    width, height = size
    if sum(box[2] * box[3] for box in boxes) >= _NEARLY_ALL * width * height:
        return "nearly everywhere"
    x, y, across, down = max(boxes, key=lambda box: box[2] * box[3])
    column = _third(x + across / 2, width, ("left", "", "right"))
    row = _third(y + down / 2, height, ("top", "", "bottom"))
    if column and row:
        place = f"at the {'upper' if row == 'top' else 'lower'} {column}"
    else:
        place = f"at the {column or row}" if column or row else "in the middle"
    return place if len(boxes) == 1 else f"in {len(boxes)} places, the largest {place}"


def _third(value: float, whole: float, names: tuple[str, str, str]) -> str:
    return names[min(2, int(3 * value / max(1.0, whole)))]


def _cut(match: Match) -> list[str]:
    found = ["mirrored"] if match.mirrored else []
    if abs(match.rotation_deg) >= UPRIGHT:
        found.append(f"turned by {match.rotation_deg:.0f}°")
    whole_query, whole_sample = match.query_overlap >= WHOLE, match.sample_overlap >= WHOLE
    if not whole_sample:
        found.append(f"shows {100 * match.sample_overlap:.0f} % of it")
    if not whole_query:
        shown = "it fills" if whole_sample else "which fills"
        found.append(f"{shown} {100 * match.query_overlap:.0f} % of the picture")
    if whole_query and whole_sample and abs(match.scale - 1) >= SAME_SIZE:
        found.append("larger" if match.scale < 1 else "smaller")
    return found


def _altered(match: Match, size: tuple[int, int]) -> str:
    share = f"{100 * match.altered_fraction:.0f} %"
    share = "less than 1 %" if match.altered_fraction < 0.01 else share
    return f"{share} altered {where(match.altered_boxes, size)}"


def _unaltered(match: Match, change: Change | None) -> str:
    if match.altered_fraction > 0:
        return "altered in places too small to show"
    if change is None or not change.compared:
        return "too unlike in detail to say whether anything was altered"
    return "nothing altered in what both show"


def _treated(change: Change | None) -> list[str]:
    if change is None:
        return []
    found = ["tones changed"] if change.tones >= TONES else []
    return [*found, "saved again"] if change.noise >= RECOMPRESSED else found
