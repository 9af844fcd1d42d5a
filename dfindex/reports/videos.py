"""A video search's result as one self-contained page: strips of frames, times, curves."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from dfindex.drawing.strip import strip_of
from dfindex.drawing.thumbnails import jpeg
from dfindex.reports.search import WORDS, data_uri, page_template, write_page
from indexer.originals import Originals
from search.videos.description import clock
from search.videos.frames import frames_at

if TYPE_CHECKING:
    from search.videos.results import VideoHit, VideoSearchResult


def write_video_report(path: Path, result: VideoSearchResult, originals: Originals) -> None:
    """Write the page; frames of files that are gone are left out of the strips."""
    write_page(path, render(result, originals))


def render(result: VideoSearchResult, originals: Originals) -> str:
    """Return the page as HTML, with all pictures inside."""
    from dfindex import __version__

    return page_template("video_search.html", clock=clock).render(
        result=result,
        version=__version__,
        made_at=datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        hits=[(hit, _strip(result, hit, originals)) for hit in result.hits],
        words=WORDS,
    )


def _strip(result: VideoSearchResult, hit: VideoHit, originals: Originals) -> str | None:
    if not hit.video.segments:
        return None
    path, sha256 = Path(result.query.path), result.query.sha256
    query = partial(frames_at, path, sha256=sha256)
    sample = partial(originals.frames, hit.sample)
    drawing = strip_of(query, sample, hit.video)
    return data_uri(jpeg(drawing, max(drawing.size)))
