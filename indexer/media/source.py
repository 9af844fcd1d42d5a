"""One file of a corpus, whatever it holds: its digest, and the pictures that are taken from it."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from functools import cache

from PIL import Image

from indexer.closing import Closing
from indexer.errors import MediaError
from indexer.media.files import Limits, digest_of, open_file, read_rest, stamp_of
from indexer.media.formats import VIDEO_HINT
from indexer.media.image import DecodedImage, Pictures
from indexer.media.videos.frames import Sampling, sampled
from indexer.media.videos.opening import film_container, video_in
from indexer.media.videos.stills import Animation, FrameFolder, folder_digest, is_animation
from indexer.media.videos.video import Video
from indexer.types import Reason, Span


@dataclass(frozen=True)
class Taken:
    """A picture of a file: the whole of it, a page, or a frame that stands for a part of a video.

    ``width`` and ``height`` are those of the original; ``image`` may be smaller; ``page`` counts
    from 1 and is None where there is one picture.
    """

    image: Image.Image
    width: int
    height: int
    format: str
    span: Span | None = None
    page: int | None = None


class Media(Closing):
    """An open file: ``sha256`` of its bytes, and how many ``pixels`` it claims to have.

    Videos are read as such where ``sampling`` says which of their frames to take. Raise
    MediaError with the reason class where the file cannot be read.
    """

    def __init__(self, raw: bytes, limits: Limits, sampling: Sampling | None) -> None:
        self._limits = limits
        self._sampling = sampling
        self._pictures: Callable[[], Pictures] = _no_pictures
        self._open = ExitStack()
        self._source: Callable[[], Video] | None = None
        self._same: Callable[[], bool] = lambda: True  # what is in memory does not change
        try:
            self._read(raw)
        except OSError as error:
            self.close()
            message = f"the file cannot be read: {error.strerror or error}"
            raise MediaError(Reason.UNREADABLE, message) from error
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Let go of the file."""
        self._open.close()

    def unchanged(self) -> bool:
        """Tell whether what was shown is of the bytes that were hashed."""
        return self._same()

    def pictures(self, at_least: int) -> Iterator[Taken]:
        """Yield the pictures taken from the file, their shorter side ``at_least`` if it is."""
        if self._source is None or self._sampling is None:
            yield from self._stills(at_least)
        else:
            yield from _frames(self._opened(), self._sampling, at_least)

    @property
    def pages(self) -> int:
        """How many pictures stand beside each other in the file; 1 for a video."""
        return 1 if self._source is not None else self._pictures().pages

    def page(self, number: int | None, at_least: int) -> DecodedImage:
        """Return a page, from 1, or of None the only picture; raise MediaError for a video."""
        return self._pictures().decode(number or 1, at_least)

    def _stills(self, at_least: int) -> Iterator[Taken]:
        pages = self.pages
        deadline = time.monotonic() + self._limits.video_seconds
        for number in range(1, pages + 1):
            if time.monotonic() > deadline:
                raise MediaError(
                    Reason.TIMEOUT, f"page {number} of {pages} was not reached in time"
                )
            try:
                one = self.page(number, at_least)
            except MediaError as error:
                if pages == 1:
                    raise
                message = f"page {number} of {pages}: {error.message}"
                raise MediaError(error.reason, message) from error
            yield Taken(one.image, one.width, one.height, one.format, page=one.page)

    def shown(self, times: Sequence[float], at_least: int) -> list[DecodedImage]:
        """Return what is shown at rising times; of a picture, the picture."""
        return list(self.at(times, at_least))

    def at(self, times: Sequence[float], at_least: int) -> Iterator[DecodedImage]:
        """Yield what is shown at rising times; of a picture, the picture."""
        if self._source is None:
            yield from [self.page(None, at_least)] * len(times)
            return
        video = self._opened()
        for one in video.at(times, at_least):
            yield DecodedImage(one.image, video.width, video.height, video.format)

    def _opened(self) -> Video:
        assert self._source is not None
        video = self._source()
        self._open.callback(video.close)
        return video

    def _read(self, raw: bytes) -> None:
        self.pixels = 0
        if self._sampling is not None and os.path.isdir(raw):
            self.sha256 = folder_digest(raw, self._limits)
            self._source = lambda: FrameFolder(raw, self._limits)
            self._same = lambda: folder_digest(raw, self._limits) == self.sha256
            return
        file = self._open.enter_context(open_file(raw))
        if self._sampling is not None and film_container(file):
            stamp = stamp_of(file)
            self.sha256 = digest_of(file, self._limits.video_bytes)
            self._source = lambda: video_in(file, self._limits)
            self._same = lambda: stamp_of(file) == stamp
            return
        file.seek(0)
        data = read_rest(file, self._limits.bytes)
        self.sha256 = hashlib.sha256(data).hexdigest()
        self._pictures = cache(lambda: Pictures(data, self._limits))
        with suppress(MediaError):  # told when the pictures are asked for
            self.pixels = self._pictures().pixels
        if self._sampling is not None and is_animation(data):
            self._source = lambda: Animation(data, self._limits)


def _no_pictures() -> Pictures:
    raise MediaError(Reason.UNSUPPORTED, VIDEO_HINT)


def _frames(video: Video, sampling: Sampling, at_least: int) -> Iterator[Taken]:
    for one in sampled(video, sampling, at_least=at_least):
        yield Taken(one.image, video.width, video.height, video.format, one.span)
