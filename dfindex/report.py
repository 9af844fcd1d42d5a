"""A search's result as one self-contained page."""

from __future__ import annotations

import base64
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from jinja2 import Environment, PackageLoader, Template, select_autoescape
from markupsafe import Markup, escape

from dfindex.render import overlay
from dfindex.thumbnails import jpeg, sample_thumbnail, thumbnail
from indexer.errors import UnavailableError
from indexer.originals import Originals
from indexer.store.durable import replace_file
from search.compare import compare_images
from search.verdict import COPIES
from search.video_frames import frames_at

if TYPE_CHECKING:
    from search.results import Hit, SearchResult

THUMBNAIL = 640  # longest side in pixels

WORDS = {
    "exact": "exact copy, byte for byte",
    "copy": "copy",
    "altered_copy": "altered copy",
    "similar": "similar, not verified",
    "unrelated": "nearest, but unrelated",
    "not_assessable": "cannot be assessed",
}


def write_report(path: Path, result: SearchResult, originals: Originals) -> None:
    """Write the page; pictures that are gone or changed since are said to be so."""
    replace_file(path, lambda file: file.write(render(result, originals).encode()))


def render(result: SearchResult, originals: Originals) -> str:
    """Return the page as HTML, with all pictures inside."""
    from dfindex import __version__

    return page_template("search.html").render(
        result=result,
        headline=_headline(result),
        version=__version__,
        made_at=datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        query_image=data_uri(
            thumbnail(Path(result.query.path), THUMBNAIL, sha256=result.query.sha256)
        ),
        hits=[
            (
                hit,
                data_uri(sample_thumbnail(originals, hit.sample, THUMBNAIL)),
                _overlay(result, hit, originals),
            )
            for hit in result.hits
        ],
        words=WORDS,
        picture=picture,
    )


def page_template(name: str, **filters: Callable[..., object]) -> Template:
    """Return a template of a page that needs nothing but itself, with ``filters`` of its own."""
    environment = Environment(
        loader=PackageLoader("dfindex"), autoescape=select_autoescape(), trim_blocks=True
    )
    environment.filters |= {"basename": lambda path: Path(path).name, **filters}
    return environment.get_template(name)


def data_uri(jpeg: bytes | None) -> str | None:
    """Return a picture as a page holds it, None where there is none."""
    return None if jpeg is None else "data:image/jpeg;base64," + base64.b64encode(jpeg).decode()


def _overlay(result: SearchResult, hit: Hit, originals: Originals) -> str | None:
    """Draw what was matched and altered, for a hit whose pixels were compared."""
    if hit.match is None:
        return None
    path, enough = Path(result.query.path), THUMBNAIL // 2
    shown = frames_at(path, [0.0], at_least=enough, sha256=result.query.sha256)
    try:
        sample = originals.open(hit.sample, at_least=enough).image
    except UnavailableError:
        return None
    if not shown:
        return None
    query = shown[0].image
    drawing = overlay(query, sample, compare_images(query, sample))
    return data_uri(jpeg(drawing, max(drawing.size)))


def picture(image: str | None, description: str) -> Markup:
    """Return an image element, or the words that stand for a picture that is gone."""
    if image is None:
        return Markup('<div class="gone">the file is gone or has changed since</div>')
    return Markup('<img src="{}" alt="{}">').format(image, escape(description))


def _headline(result: SearchResult) -> str:
    name = Path(result.query.path).name
    found = [hit for hit in result.hits if hit.verdict in COPIES]
    if found:
        return f"{name}: {len(found)} {'copy' if len(found) == 1 else 'copies'} found"
    similar = sum(hit.verdict == "similar" for hit in result.hits)
    if similar:
        return f"{name}: no verified copy, {similar} similar"
    return f"{name}: no finding"
