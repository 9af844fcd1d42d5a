"""Compare two videos: which parts they share, and what was altered over time."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from dfindex.compare import FileComparison
from search.videos.clips import Clip, ClipReader
from search.videos.compare import best_match, compare_clips
from search.videos.results import VideoMatch

if TYPE_CHECKING:
    from indexer.types import Encoder


@dataclass(frozen=True, kw_only=True)
class VideoComparison(FileComparison):
    """What two videos have in common; ``match`` is that of the best pair of frames.

    ``share_query`` is the fraction of the first that the second shows, ``share_sample`` that of
    the second which the first shows.
    """

    share_query: float
    share_sample: float
    video: VideoMatch


def compare_videos(
    a: Path, b: Path, *, out: Path | None = None, encoder: str | Path | Encoder | None = None
) -> VideoComparison:
    """Say whether one video shares parts with another, and what was changed in them.

    One of both may be a picture. ``out`` receives a strip of the compared frames as a PNG. Raise
    MediaError where a file cannot be read, StoreError where the drawing cannot be written.
    """
    from dfindex.encoders import open_encoder

    with ClipReader(open_encoder(encoder, "auto", "auto")) as reader:
        return compared_with(reader, a, b, out=out)


def compared_with(
    reader: ClipReader, a: Path, b: Path, *, name: str | None = None, out: Path | None = None
) -> VideoComparison:
    """Return what `compare_videos` does of two files that a reader reads, within its limits.

    ``name`` is what the second is called, where its path does not say so.
    """
    return compared_clips(reader, reader.read(a), reader.read(b), name=name or b.name, out=out)


def compared_clips(
    reader: ClipReader, first: Clip, second: Clip, *, name: str, out: Path | None = None
) -> VideoComparison:
    """Return what `compare_videos` does of two clips that a reader read."""
    aligned, found = compare_clips(reader, first, second, name=name)
    video = found.video
    if out is not None:
        _draw(out, reader, (first, second), video)
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


def _draw(out: Path, reader: ClipReader, clips: tuple[Clip, Clip], video: VideoMatch) -> None:
    from dfindex.drawing.strip import strip_of
    from indexer.store.durable import replace_file

    above, below = (reader.frames(one) for one in clips)
    drawing = strip_of(above, below, video)
    replace_file(out, lambda file: drawing.save(file, "PNG"))
