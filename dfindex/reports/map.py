"""The map as one page that needs nothing else: no network, no other file, under a strict CSP."""

from __future__ import annotations

import base64
import hashlib
from pathlib import Path

from markupsafe import Markup

from dfindex.corpus_map import CorpusMap, corpus_map, packed
from dfindex.drawing.thumbnails import sample_thumbnail
from dfindex.index import Index
from dfindex.templating import rendered
from indexer.errors import UsageError
from indexer.store.durable import replace_file
from indexer.types import Sample
from search.projection import Progress

_STATIC = Path(__file__).parents[1] / "server" / "static"
_THUMBNAIL = 64  # pixels
MOST_THUMBNAILS = 4000


def write_map(
    index: Index,
    path: Path,
    *,
    space: str | None = None,
    thumbnails: bool = False,
    progress: Progress | None = None,
) -> CorpusMap:
    """Write the map of a space as a page; ``thumbnails`` puts small pictures of all samples in.

    Raise UsageError where there are too many for that.
    """
    drawn = corpus_map(index, space, progress)
    if thumbnails and len(drawn.samples) > MOST_THUMBNAILS:
        raise UsageError(
            f"expected at most {MOST_THUMBNAILS} samples for a page with thumbnails, got "
            f"{len(drawn.samples)}; leave --thumbnails out, or look at the map in dfindex serve"
        )

    def small(sample: Sample) -> bytes:
        return sample_thumbnail(index.originals, sample, _THUMBNAIL) or b""

    points = packed(drawn, small if thumbnails else None)
    replace_file(path, lambda file: file.write(render(drawn, points).encode()))
    return drawn


def render(drawn: CorpusMap, points: bytes) -> str:
    """Return the page as HTML, with all points inside."""
    style = (_STATIC / "map_page.css").read_text() + (_STATIC / "map.css").read_text()
    script = (_STATIC / "map.js").read_text()
    return rendered(
        "service/map_page.html",
        drawn=drawn,
        style=Markup(style),
        script=Markup(script),
        style_hash=_hash(style),
        script_hash=_hash(script),
        points=base64.b64encode(points).decode(),
    )


def _hash(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
