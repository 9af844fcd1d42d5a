"""A search's result as one self-contained page."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from jinja2 import Environment, PackageLoader, Template, select_autoescape
from markupsafe import Markup, escape
from PIL import Image

from dfindex.render import overlay
from indexer.store.durable import replace_file
from indexer.types import Sample
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


def write_report(path: Path, result: SearchResult) -> None:
    """Write the page; pictures that are gone or changed since are said to be so."""
    replace_file(path, lambda file: file.write(render(result).encode()))


def render(result: SearchResult) -> str:
    """Return the page as HTML, with all pictures inside."""
    from dfindex import __version__

    return page_template("search.html").render(
        result=result,
        headline=_headline(result),
        version=__version__,
        made_at=datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        query_image=thumbnail(Path(result.query.path), result.query.sha256),
        hits=[(hit, sample_thumbnail(hit.sample), _overlay(result, hit)) for hit in result.hits],
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


def thumbnail(
    path: Path, sha256: str, *, time_s: float | None = None, side: int = THUMBNAIL
) -> str | None:
    """Return a picture, or a video's at a time in seconds, as a data URI.

    None where the file cannot be read or is another one now.
    """
    image = _shown(path, sha256, time_s)
    if image is None:
        return None
    image.thumbnail((side, side))
    return _data_uri(image)


def sample_thumbnail(sample: Sample, *, side: int = THUMBNAIL) -> str | None:
    """Return what a sample shows as `thumbnail` does."""
    return thumbnail(Path(sample.path), sample.sha256, time_s=sample.time_s, side=side)


def _shown(path: Path, sha256: str, time_s: float | None = None) -> Image.Image | None:
    shown = frames_at(path, [time_s or 0.0], at_least=THUMBNAIL // 2, sha256=sha256)
    return shown[0].image.copy() if shown else None


def _data_uri(image: Image.Image) -> str:
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=85)
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode()


def _overlay(result: SearchResult, hit: Hit) -> str | None:
    """Draw what was matched and altered, for a hit whose pixels were compared."""
    if hit.match is None:
        return None
    query = _shown(Path(result.query.path), result.query.sha256)
    sample = _shown(Path(hit.sample.path), hit.sample.sha256, hit.sample.time_s)
    if query is None or sample is None:
        return None
    return _data_uri(overlay(query, sample, compare_images(query, sample)))


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
