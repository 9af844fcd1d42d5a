"""Tell what is a video, by its bytes, and open it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import closing, contextmanager
from io import BufferedReader
from pathlib import Path

from indexer.errors import MediaError
from indexer.media.files import Limits, open_file, read_rest
from indexer.media.formats import SNIFFED, named_kind
from indexer.media.jpegs import is_motion_jpeg
from indexer.media.videos.film import Film
from indexer.media.videos.stills import frame_paths, is_animation
from indexer.media.videos.video import Video
from indexer.types import Reason

_TWO_JPEGS = 1 << 25  # bytes in which a second picture of a stream begins


@contextmanager
def open_video(path: bytes | Path, limits: Limits | None = None) -> Iterator[Video]:
    """Open a film; raise MediaError with the reason class where it is none, or broken."""
    with open_file(path) as file, closing(video_in(file, limits or Limits())) as video:
        yield video


def video_in(file: BufferedReader, limits: Limits) -> Video:
    """Return the video that an open file holds; raise MediaError as `open_video` does."""
    container = film_container(file)
    if not container:
        raise MediaError(Reason.NOT_MEDIA, "the bytes are no video of a known kind")
    file.seek(0)
    return Film(file, container, limits)


def holds_video(path: bytes | Path) -> bool:
    """Tell whether a path is read as a video; what cannot be read is none."""
    try:
        if os.path.isdir(path):
            return bool(frame_paths(os.fsencode(path)))
        with open_file(path) as file:
            if film_container(file):
                return True
            file.seek(0)
            return is_animation(read_rest(file, Limits().bytes))
    except (MediaError, OSError):
        return False


def film_container(file: BufferedReader) -> str:
    """Return FFmpeg's name for what an open file is, "" where it is not to be read as a film."""
    file.seek(0)
    kind = named_kind(file.read(SNIFFED))
    if kind is None:
        return ""
    if kind.format == "JPEG":
        file.seek(0)
        return "mjpeg" if is_motion_jpeg(file.read(_TWO_JPEGS)) else ""
    return kind.container
