"""Compare two files, pictures or clips: what they share, what was altered, drawn where asked."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from indexer.media.files import Limits, read_file
from indexer.media.image import decode_image
from indexer.media.videos.opening import holds_video
from search.evidence import NEEDED_SIDE, Evidence, compare_decoded
from search.results import Match
from search.verdict import COPIES, Verdict
from search.videos.clips import Clip, ClipReader
from search.videos.compare import best_match, compare_clips
from search.videos.results import VideoMatch

if TYPE_CHECKING:
    from PIL.Image import Image

    from indexer.types import Encoder


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


@dataclass(frozen=True, kw_only=True)
class VideoComparison(FileComparison):
    """What two videos have in common; ``match`` is that of the best pair of frames.

    ``share_query`` is the fraction of the first that the second shows, ``share_sample`` that of
    the second which the first shows.
    """

    share_query: float
    share_sample: float
    video: VideoMatch


def compare(
    a: Path, b: Path, *, out: Path | None = None, encoder: str | Path | Encoder | None = None
) -> FileComparison:
    """Say whether one file is a copy of the other, and what was changed.

    Of two videos, or a video and a picture, say which parts they share; ``encoder`` finds them.
    ``out`` receives a drawing of it as a PNG. Raise MediaError where a file cannot be read,
    StoreError where the drawing cannot be written.
    """
    if not (holds_video(a) or holds_video(b)):
        return compare_pictures(a, b, out=out)
    from dfindex.encoders import open_encoder

    with ClipReader(open_encoder(encoder, "auto", "auto")) as reader:
        return compare_films(reader, reader.read(a), reader.read(b), name=b.name, out=out)


def compare_pictures(a: Path, b: Path, *, out: Path | None = None) -> FileComparison:
    """Return what `compare` does of two pictures."""
    evidence = compare_files(a, b)
    found, match = evidence.comparison, evidence.comparison.match
    if out is not None:
        from dfindex.drawing.comparison import overlay

        _draw(out, lambda: overlay(evidence))
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


def compare_files(a: Path, b: Path) -> Evidence:
    """Compare two pictures as a search does; raise MediaError where one cannot be read."""
    first, second = (read_file(path, limits=Limits()) for path in (a, b))
    pictures = [decode_image(data, at_least=NEEDED_SIDE) for data in (first, second)]
    return compare_decoded(*pictures, same_bytes=first == second)


def compare_films(
    reader: ClipReader, first: Clip, second: Clip, *, name: str, out: Path | None = None
) -> VideoComparison:
    """Return what `compare` does of two clips that a reader read, the second called ``name``."""
    aligned, found = compare_clips(reader, first, second, name=name)
    video = found.video
    if out is not None:
        from dfindex.drawing.strip import strip_of

        _draw(out, lambda: strip_of(reader.frames(first), reader.frames(second), video))
    return VideoComparison(
        a=first.path,
        b=second.path,
        verdict=found.verdict,
        score=aligned.score,
        probability=None,
        match=best_match(video.checked),
        description=video.description,
        share_query=video.share_query,
        share_sample=video.share_sample,
        video=video,
    )


def _draw(out: Path, drawn: Callable[[], Image]) -> None:
    from indexer.store.durable import replace_file

    drawing = drawn()
    replace_file(out, lambda file: drawing.save(file, "PNG"))
