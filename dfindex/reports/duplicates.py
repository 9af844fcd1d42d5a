"""Near-duplicate groups as one self-contained page."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from dfindex.drawing.thumbnails import sample_thumbnail
from dfindex.reports.search import data_uri, picture, write_page
from dfindex.templating import rendered
from indexer.originals import Originals

if TYPE_CHECKING:
    from search.duplicates.groups import Duplicates

SIDE = 240  # longest side of a thumbnail in pixels


def write_report(path: Path, found: Duplicates, originals: Originals) -> None:
    """Write the page; pictures that are gone or changed since are said to be so."""
    write_page(path, render(found, originals))


def render(found: Duplicates, originals: Originals) -> str:
    """Return the page as HTML, with all pictures inside."""
    return rendered(
        "reports/duplicates.html",
        groups=[
            (
                group,
                [
                    (one, data_uri(sample_thumbnail(originals, one.sample, SIDE)))
                    for one in group.members
                ],
            )
            for group in found.groups
        ],
        links=found.links,
        pairs_checked=found.pairs_checked,
        unavailable=found.unavailable,
        picture=picture,
    )
