"""A video search's result as one self-contained page: strips of frames, times, curves."""

from __future__ import annotations

import base64
import io
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from dfindex.report import WORDS, page_template
from dfindex.strip import strip_of
from indexer.store.durable import replace_file
from search.video_words import clock

if TYPE_CHECKING:
    from search.video_results import VideoHit, VideoSearchResult


def write_video_report(path: Path, result: VideoSearchResult) -> None:
    """Write the page; frames of files that are gone are left out of the strips."""
    replace_file(path, lambda file: file.write(render(result).encode()))


def render(result: VideoSearchResult) -> str:
    """Return the page as HTML, with all pictures inside."""
    from dfindex import __version__

    return page_template("video_search.html", clock=clock).render(
        result=result,
        version=__version__,
        made_at=datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        hits=[(hit, _strip(result, hit)) for hit in result.hits],
        words=WORDS,
    )


def _strip(result: VideoSearchResult, hit: VideoHit) -> str | None:
    if not hit.video.segments:
        return None
    drawing = strip_of(Path(result.query.path), Path(hit.sample.path), hit.video)
    buffer = io.BytesIO()
    drawing.save(buffer, "JPEG", quality=85)
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode()
