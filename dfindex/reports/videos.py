"""A video search's result as one self-contained page: strips of frames, times, curves."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from dfindex.drawing.strip import strip_of
from dfindex.drawing.thumbnails import jpeg
from dfindex.reports.search import data_uri, write_page
from dfindex.templating import rendered
from indexer.originals import Originals
from search.videos.frames import frames_at

if TYPE_CHECKING:
    from search.videos.results import VideoHit, VideoSearchResult


def write_video_report(path: Path, result: VideoSearchResult, originals: Originals) -> None:
    """Write the page; frames of files that are gone are left out of the strips."""
    write_page(path, render(result, originals))


def render(result: VideoSearchResult, originals: Originals) -> str:
    """Return the page as HTML, with all pictures inside."""
    return rendered(
        "reports/video_search.html",
        result=result,
        hits=[(hit, _strip(result, hit, originals)) for hit in result.hits],
    )


def _strip(result: VideoSearchResult, hit: VideoHit, originals: Originals) -> str | None:
    if not hit.video.segments:
        return None
    path, sha256 = Path(result.query.path), result.query.sha256
    query = partial(frames_at, path, sha256=sha256)
    sample = partial(originals.frames, hit.sample)
    drawing = strip_of(query, sample, hit.video)
    return data_uri(jpeg(drawing, max(drawing.size)))
