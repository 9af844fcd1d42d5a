"""Compare two files: decode both, look at their pixels, draw what was found."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from indexer.media.files import Limits, read_file
from indexer.media.image import decode_image
from search.evidence import NEEDED_SIDE, Evidence, compare_decoded
from search.results import Match
from search.verdict import COPIES, Verdict


@dataclass(frozen=True, kw_only=True)
class FileComparison:
    """What two files have in common; ``match`` is in pixels of the pictures, upright."""

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
    return told(a, b, compare_files(a, b), out=out)


def compare_files(a: Path, b: Path) -> Evidence:
    """Compare two pictures as a search does; raise MediaError where one cannot be read."""
    first, second = (read_file(path, limits=Limits()) for path in (a, b))
    pictures = [decode_image(data, at_least=NEEDED_SIDE) for data in (first, second)]
    return compare_decoded(*pictures, same_bytes=first == second)


def told(a: Path, b: Path, evidence: Evidence, *, out: Path | None = None) -> FileComparison:
    """Return what was found of two files; ``out`` receives a drawing of it."""
    found, match = evidence.comparison, evidence.comparison.match
    if out is not None:
        _draw(out, evidence)
        match = None if match is None else replace(match, overlay=str(out))
    return FileComparison(
        a=str(a),
        b=str(b),
        verdict=found.verdict,
        score=found.score,
        probability=None,
        match=match,
        description=found.description,
    )


def _draw(out: Path, evidence: Evidence) -> None:
    from dfindex.drawing.comparison import overlay
    from indexer.store.durable import replace_file

    drawing = overlay(evidence)
    replace_file(out, lambda file: drawing.save(file, "PNG"))
