"""Videos made of pictures: animations that Pillow reads, and folders of frames."""

from __future__ import annotations

import hashlib
import io
import os
import re
import time
from bisect import bisect_right
from collections.abc import Iterator, Sequence

from PIL import Image

from indexer.corpus import is_frame_name
from indexer.errors import MediaError
from indexer.media.background import Grounds
from indexer.media.colour import count_edges, to_srgb
from indexer.media.files import Limits, read_file
from indexer.media.formats import named_kind
from indexer.media.image import DecodedImage, check_pixels, decode_image
from indexer.media.pillow_settings import our_limits
from indexer.media.videos.video import Shown
from indexer.types import Reason

ANIMATED = ("GIF", "WEBP", "PNG", "AVIF")
FOLDER_RATE = 25.0  # frames a second that a folder of frames is taken to have
_SHORTEST = 0.02  # seconds: what asks for less is shown for a tenth of a second, as browsers do
_USUAL = 0.1


def is_animation(data: bytes) -> bool:
    """Tell whether a picture's bytes hold several frames that are shown one after the other."""
    kind = named_kind(data[:4096])
    if kind is None or kind.format not in ANIMATED:
        return False
    try:
        with our_limits(), Image.open(io.BytesIO(data), formats=(kind.format,)) as image:
            return bool(getattr(image, "is_animated", False))
    except Exception:
        return False  # read as a picture, it gets its reason


class Animation:
    """An animated picture; see `indexer.media.videos.video.Video`. A frame that is broken ends it.

    The cover of an animated PNG that is not one of its frames comes before them. Where frames are
    transparent all are laid on one ground.
    """

    def __init__(self, data: bytes, limits: Limits) -> None:
        self._data = data
        self._deadline = time.monotonic() + limits.video_seconds
        self.starts: list[float] = []
        grounds = Grounds()
        end = 0.0
        for image, seconds in self._walk():
            if not self.starts:
                self.width, self.height = image.size
                self.format = str(image.format)
                check_pixels(self.width, self.height, limits)
            count_edges(image, grounds)
            self.starts.append(end)
            end += seconds
        if not self.starts:
            decode_image(data, limits=limits)  # says what is wrong with the first
            message = "the animation is damaged: not one frame of it can be decoded"
            raise MediaError(Reason.UNSUPPORTED, message)
        self.duration = end
        self._ground = grounds.best()

    def close(self) -> None:
        """Let go of nothing: the bytes are the caller's."""

    def at(self, times: Sequence[float], at_least: int | None) -> Iterator[Shown]:
        """See `indexer.media.videos.video.Video.at`."""
        wanted = [max(0, bisect_right(self.starts, one + 1e-6) - 1) for one in times]
        places = iter(wanted)
        place = next(places, None)
        for number, (image, _) in enumerate(self._walk()):
            if place == number:
                upright = to_srgb(image.copy(), at_least, ground=self._ground)
            while place == number:
                yield Shown(self.starts[number], upright)
                place = next(places, None)
            if place is None:
                return

    def every(self, at_least: int | None) -> Iterator[Shown]:
        """See `indexer.media.videos.video.Video.every`."""
        return self.at(self.starts, at_least)

    def _walk(self) -> Iterator[tuple[Image.Image, float]]:
        """Yield each frame and how long it is shown, up to the first that is broken."""
        with our_limits(), Image.open(io.BytesIO(self._data), formats=ANIMATED) as image:
            for number in range(1 << 20):
                if time.monotonic() > self._deadline:
                    raise MediaError(Reason.TIMEOUT, "the animation was not read in time")
                try:
                    image.seek(number)
                    image.load()
                except (EOFError, OSError, SyntaxError, ValueError, MemoryError):
                    return
                seconds = float(image.info.get("duration") or 0) / 1000
                yield image, seconds if seconds >= _SHORTEST else _USUAL


class FrameFolder:
    """A folder of frames, by the numbers in their names: a `indexer.media.videos.video.Video`."""

    format = "FRAMES"

    def __init__(self, folder: bytes, limits: Limits) -> None:
        self._limits = limits
        self._paths = frame_paths(folder)
        if not self._paths:
            raise MediaError(Reason.NOT_MEDIA, "the folder holds no frames")
        first = self._decoded(0, None)
        self.width, self.height = first.width, first.height
        self.starts = [place / FOLDER_RATE for place in range(len(self._paths))]
        self.duration = len(self._paths) / FOLDER_RATE

    def close(self) -> None:
        """Let go of nothing."""

    def at(self, times: Sequence[float], at_least: int | None) -> Iterator[Shown]:
        """See `indexer.media.videos.video.Video.at`."""
        for one in times:
            place = min(len(self._paths) - 1, max(0, int(one * FOLDER_RATE + 1e-6)))
            yield Shown(place / FOLDER_RATE, self._decoded(place, at_least).image)

    def every(self, at_least: int | None) -> Iterator[Shown]:
        """See `indexer.media.videos.video.Video.every`."""
        return self.at(self.starts, at_least)

    def _decoded(self, place: int, at_least: int | None) -> DecodedImage:
        data = read_file(self._paths[place], limits=self._limits)
        return decode_image(data, limits=self._limits, at_least=at_least)


def frame_paths(folder: bytes) -> list[bytes]:
    """Return the pictures directly in a folder, frame 9 before frame 10."""
    names = [name for name in os.listdir(folder) if is_frame_name(name)]
    return [os.path.join(folder, name) for name in sorted(names, key=_natural)]


def folder_digest(folder: bytes, limits: Limits) -> str:
    """Return a SHA-256 over the names and contents of a folder's frames."""
    digest = hashlib.sha256()
    for path in frame_paths(folder):
        digest.update(os.path.basename(path) + b"\0")
        digest.update(hashlib.sha256(read_file(path, limits=limits)).digest())
    return digest.hexdigest()


def _natural(name: bytes) -> list[tuple[int, bytes]]:
    parts = re.split(rb"(\d+)", name)
    return [(int(part), b"") if part.isdigit() else (-1, part) for part in parts]
