"""A search's result as one self-contained page: pictures and overlays, or strips of frames."""

from __future__ import annotations

import base64
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from markupsafe import Markup, escape

from dfindex.drawing.comparison import overlay
from dfindex.drawing.strip import strip_of
from dfindex.drawing.thumbnails import jpeg, sample_thumbnail
from dfindex.templating import rendered
from indexer.corpus import as_text
from indexer.store.durable import replace_file
from search.evidence import ExaminedResult
from search.verdict import COPIES
from search.videos.frames import frames_at
from search.videos.results import VideoHit, VideoQuery

if TYPE_CHECKING:
    from indexer.originals import Originals
    from search.results import AnyResult, Hit

THUMBNAIL = 640  # longest side in pixels


def write_report(path: Path, result: AnyResult, originals: Originals) -> None:
    """Write the page; pictures that are gone or changed since are said to be so.

    Frames of files that are gone are left out of the strips.
    """
    write_page(path, render(result, originals))


def write_page(path: Path, html: str) -> None:
    """Write a page; names that are no text are written as the index displays them."""
    data = as_text(html.encode("utf-8", "surrogateescape")).encode()
    replace_file(path, lambda file: file.write(data))


def render(result: AnyResult, originals: Originals) -> str:
    """Return the page as HTML, with all pictures inside."""
    shown = result.picture if isinstance(result, ExaminedResult) else None
    return rendered(
        "reports/search.html",
        result=result,
        film=isinstance(result.query, VideoQuery),
        headline=_headline(result),
        query_image=None if shown is None else data_uri(jpeg(shown.image, THUMBNAIL)),
        hits=[(hit, *_pictures(result, hit, originals)) for hit in result.hits],
        picture=picture,
    )


def data_uri(jpeg: bytes | None) -> str | None:
    """Return a picture as a page holds it, None where there is none."""
    return None if jpeg is None else "data:image/jpeg;base64," + base64.b64encode(jpeg).decode()


def _pictures(result: AnyResult, hit: Hit, originals: Originals) -> tuple[str | None, str | None]:
    """Return what a hit shows, and what was matched and altered, as it was compared."""
    if isinstance(hit, VideoHit):
        return None, _strip(result, hit, originals)
    assert isinstance(result, ExaminedResult)
    evidence = result.evidence.get(hit.sample.id)
    if evidence is None:
        return data_uri(sample_thumbnail(originals, hit.sample, THUMBNAIL)), None
    drawing = overlay(evidence)
    shown = jpeg(evidence.second.image, THUMBNAIL)
    return data_uri(shown), data_uri(jpeg(drawing, max(drawing.size)))


def _strip(result: AnyResult, hit: VideoHit, originals: Originals) -> str | None:
    if not hit.video.segments:
        return None
    query = partial(frames_at, Path(result.query.path), sha256=result.query.sha256)
    drawing = strip_of(query, partial(originals.frames, hit.sample), hit.video)
    return data_uri(jpeg(drawing, max(drawing.size)))


def picture(image: str | None, description: str) -> Markup:
    """Return an image element, or the words that stand for a picture that is gone."""
    if image is None:
        return Markup('<div class="gone">the file is gone or has changed since</div>')
    return Markup('<img src="{}" alt="{}">').format(image, escape(description))


def _headline(result: AnyResult) -> str:
    name = Path(result.query.path).name
    copies = sum(hit.verdict in COPIES for hit in result.hits)
    if copies:
        return f"{name}: {copies} {'copy' if copies == 1 else 'copies'} found"
    similar = sum(hit.verdict == "similar" for hit in result.hits)
    if similar:
        return f"{name}: no verified copy, {similar} similar"
    return f"{name}: no finding"
