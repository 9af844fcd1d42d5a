"""Compare two files: decode both, look at their pixels, draw what was found."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from PIL import Image

from indexer.decode import decode_image
from indexer.files import Limits, read_file
from search.compare import Comparison, compare_images
from search.results import Match
from search.verdict import COPIES, Verdict


@dataclass(frozen=True, kw_only=True)
class FileComparison:
    """What two files have in common; ``match`` is in pixels of the decoded pictures."""

    a: str
    b: str
    verdict: Verdict
    score: float | None
    probability: float | None
    match: Match | None
    description: str

    @property
    def found(self) -> bool:
        """Whether one is a copy of the other."""
        return self.verdict in COPIES

    def to_json(self) -> dict[str, Any]:
        """Return the comparison as plain JSON values."""
        return asdict(self)


def compare(a: Path, b: Path, *, out: Path | None = None) -> FileComparison:
    """Say whether one picture is a copy of the other, and what was changed.

    ``out`` receives a drawing of it as a PNG. Raise MediaError where a file cannot be read,
    StoreError where the drawing cannot be written.
    """
    first, second = (read_file(path, limits=Limits()) for path in (a, b))
    pictures = (decode_image(first).image, decode_image(second).image)
    found = compare_images(*pictures, same_bytes=first == second)
    if out is not None:
        _draw(out, pictures, found)
        if found.match is not None:
            found = replace(found, match=replace(found.match, overlay=str(out)))
    return FileComparison(
        a=str(a),
        b=str(b),
        verdict=found.verdict,
        score=found.score,
        probability=None,
        match=found.match,
        description=found.description,
    )


def _draw(out: Path, pictures: tuple[Image.Image, Image.Image], found: Comparison) -> None:
    from dfindex.render import overlay
    from indexer.store.durable import replace_file

    drawing = overlay(*pictures, found)
    replace_file(out, lambda file: drawing.save(file, "PNG"))
