"""A film that FFmpeg reads, through PyAV: the frame shown at a time, whatever the file's timing.

Constant or variable frame rate, reordered frames, a first time that is not zero, wrong or missing
durations, gaps and broken pictures: a frame counts from when it is shown until the next one is.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from io import BufferedReader
from typing import Any

import av
import av.error
import av.logging
import av.stream

from indexer.errors import MediaError
from indexer.media.files import Limits
from indexer.media.image import check_pixels
from indexer.media.videos.picture import picture, shown_size, turn_of
from indexer.media.videos.video import Shown
from indexer.types import Reason

BACK_OFF = (0.0, 1.0, 10.0)  # seconds before a time at which a key frame for it is looked for
WALKED = 3.0  # seconds that are decoded rather than jumped, where key frames are not known
MOST_ERRORS = 200  # broken packets in a row
SOONER = 1e-6  # seconds by which two times may differ and be the same
_USUAL_RATE = 25
_UNTIMED = ("mpjpeg",)  # what FFmpeg says of its times is when it read them
_ENCRYPTED_TAGS = ("encv", "drmi")  # what an MP4 file may call an enciphered stream
_TRANSPARENT_DECODERS = {"vp8": "libvpx", "vp9": "libvpx-vp9"}  # the usual ones see no alpha
_ENCRYPTED = "the film is encrypted; index it deciphered"


@dataclass(frozen=True)
class _Timed:
    """A decoded frame, and when it is shown by the file's own clock."""

    seconds: float
    frame: Any


class Film:
    """An open film, one thread: many are read at once. See `indexer.media.videos.video.Video`."""

    def __init__(self, file: BufferedReader, container: str, limits: Limits) -> None:
        av.logging.set_level(None)
        self._file = file
        self._is_untimed = container in _UNTIMED
        self.format = container.upper()
        self.starts: Sequence[float] = ()
        self._limits = limits
        self._deadline = time.monotonic() + limits.video_seconds
        self._errors = 0
        with _translated():
            self._open()
            self._frames = self._decoded()
            first = next(self._frames, None)
            if first is None:
                raise _nothing_to_see(self._errors)
            self._origin = first.seconds
            self._is_untimed |= first.frame.pts is None and first.frame.dts is None
            self._turn = turn_of(first.frame)
            self.width, self.height = shown_size(first.frame, self._ratio, self._turn)
            check_pixels(first.frame.width, first.frame.height, limits)
            self.duration = self._end() - self._origin
            self._current = first
            self._ahead = None if self._is_untimed else next(self._frames, None)
            self._jump(0.0)

    def close(self) -> None:
        """Let go of the file, and of frames and decoders, each of which holds threads.

        They stand in a circle with this object, which the collector of garbage breaks too late.
        """
        self._container.close()
        for name in ("_frames", "_current", "_ahead", "_decoder", "_stream"):
            vars(self).pop(name, None)

    def _open(self) -> None:
        """Open the file at its beginning."""
        self._file.seek(0)
        container = self.format.lower()
        self._container = av.open(self._file, format=container, metadata_errors="ignore")
        self._stream = _picture_stream(self._container)
        self._decoder = _transparent(self._stream) or self._stream.codec_context

    def at(self, times: Sequence[float], at_least: int | None) -> Iterator[Shown]:
        """See `indexer.media.videos.video.Video.at`."""
        for wanted in times:
            with _translated():
                self._go_to(wanted)
                shown = self._shown(at_least)
            yield shown

    def every(self, at_least: int | None) -> Iterator[Shown]:
        """See `indexer.media.videos.video.Video.every`."""
        with _translated():
            self._jump(0.0)
        while True:
            with _translated():
                shown = self._shown(at_least)
            yield shown
            if self._ahead is None:
                return
            self._step()

    def _shown(self, at_least: int | None) -> Shown:
        frame = self._current.frame
        check_pixels(frame.width, frame.height, self._limits)
        return Shown(
            max(0.0, self._current.seconds - self._origin),
            picture(frame, self._ratio, at_least, self._turn),
        )

    @property
    def _ratio(self) -> Fraction | None:
        return self._stream.sample_aspect_ratio  # type: ignore[no-any-return]

    def _go_to(self, wanted: float) -> None:
        """Make the frame that is shown at a time the current one."""
        if wanted < self._current.seconds - self._origin or self._is_far(wanted):
            self._jump(wanted)
        while self._ahead is not None and self._is_shown_by(self._ahead, wanted):
            self._step()

    def _is_shown_by(self, timed: _Timed, wanted: float) -> bool:
        return timed.seconds - self._origin <= wanted + SOONER

    def _is_far(self, wanted: float) -> bool:
        """Tell whether there is a key frame nearer to a time than the current frame."""
        if self._is_untimed:
            return False
        entries = self._stream.index_entries
        if not len(entries):
            return wanted + self._origin - self._current.seconds > WALKED
        place = entries.search_timestamp(self._stamp(wanted))
        return bool(place >= 0 and entries[place].timestamp > self._stamp_of(self._current))

    def _jump(self, wanted: float) -> None:
        """Go to the nearest key frame that is shown by a time, or to the first frame of all."""
        if self._is_untimed:
            self._rewind()
            return
        for back in BACK_OFF:
            if self._lands(self._stamp(wanted - back)) and self._is_shown_by(self._current, wanted):
                return
        self._lands(min(0, self._stamp(0.0)))

    def _rewind(self) -> None:
        """Go to the first frame of a stream without times, which can be counted from there only.

        FFmpeg does not seek in such streams.
        """
        self._container.close()
        self._open()
        self._frames = self._decoded()
        self._current, self._ahead = next(self._frames), next(self._frames, None)

    def _lands(self, stamp: int) -> bool:
        """Seek to the key frame before a time; tell whether a frame follows it."""
        try:
            self._container.seek(stamp, stream=self._stream)
        except av.error.FFmpegError:
            return False
        self._decoder.flush_buffers()
        self._frames = self._decoded()
        found = next(self._frames, None)
        if found is not None:
            self._current, self._ahead = found, next(self._frames, None)
        return found is not None

    def _step(self) -> None:
        assert self._ahead is not None
        self._current, self._ahead = self._ahead, next(self._frames, None)

    def _stamp(self, seconds: float) -> int:
        return int((seconds + self._origin) / self._stream.time_base)

    def _stamp_of(self, timed: _Timed) -> int:
        return int(timed.seconds / self._stream.time_base)

    def _decoded(self) -> Iterator[_Timed]:
        """Yield whole frames from where the file stands; what is broken is passed over."""
        last: float | None = None
        for packet in self._packets():
            if packet.has_sidedata("encryption_info"):
                raise MediaError(Reason.UNSUPPORTED, _ENCRYPTED)
            try:
                frames = [] if packet.is_corrupt else self._decoder.decode(packet)
            except (av.error.FFmpegError, ValueError):
                self._errors += 1
                if self._errors > MOST_ERRORS:
                    return
                continue
            for frame in frames:
                seconds = self._time(frame, last)
                if not frame.is_corrupt and (last is None or seconds > last):
                    last = seconds
                    yield _Timed(seconds, frame)

    def _time(self, frame: Any, last: float | None) -> float:
        stamp = frame.pts if frame.pts is not None else frame.dts
        if stamp is not None and not self._is_untimed:
            return float(stamp * (frame.time_base or self._stream.time_base))
        return 0.0 if last is None else last + self._frame_seconds

    @property
    def _frame_seconds(self) -> float:
        return float(1 / (self._stream.average_rate or self._stream.guessed_rate or _USUAL_RATE))

    def _packets(self) -> Iterator[Any]:
        """Yield the stream's packets until the data end, however they do."""
        packets = self._container.demux(self._stream)
        while True:
            if time.monotonic() > self._deadline:
                message = f"not read within {self._limits.video_seconds:g} seconds"
                raise MediaError(Reason.TIMEOUT, message)
            try:
                packet = next(packets, None)
            except av.error.FFmpegError:
                return
            if packet is None:
                return
            yield packet

    def _end(self) -> float:
        """Return when the last frame has been shown, as its data say and not a header."""
        if self._is_untimed:
            self._container.close()
            self._open()
            return self._frame_seconds * sum(1 for one in self._packets() if one.size)
        for stamp in (self._declared_end(), 0):
            if stamp is None:
                continue
            try:
                self._container.seek(stamp, stream=self._stream)
            except av.error.FFmpegError:
                continue
            end = max((self._shown_until(one) for one in self._packets()), default=0.0)
            if end > self._origin:
                return end
        return self._origin + self._frame_seconds

    def _declared_end(self) -> int | None:
        if self._stream.duration:
            return int((self._stream.start_time or 0) + self._stream.duration)
        if self._container.duration:
            seconds = self._container.duration / av.time_base
            return int((seconds + (self._container.start_time or 0) / av.time_base)
                       / self._stream.time_base)  # fmt: skip
        return None

    def _shown_until(self, packet: Any) -> float:
        stamp = packet.pts if packet.pts is not None else packet.dts
        if stamp is None or packet.is_corrupt or not packet.size:
            return float("-inf")
        length = packet.duration * self._stream.time_base if packet.duration else 0
        return float(stamp * self._stream.time_base) + (float(length) or self._frame_seconds)


def _picture_stream(container: Any) -> Any:
    covers = av.stream.Disposition.attached_pic
    streams = [one for one in container.streams.video if not one.disposition & covers]
    if not streams:
        message = "the file holds no moving picture"
        raise MediaError(Reason.UNSUPPORTED, message + _what_else(container))
    stream = streams[0]
    if stream.codec_context is None:
        raise MediaError(Reason.UNSUPPORTED, "the film's coding is not known here; convert it")
    if stream.codec_context.codec_tag in _ENCRYPTED_TAGS:
        raise MediaError(Reason.UNSUPPORTED, _ENCRYPTED)
    stream.thread_type = "NONE"
    stream.thread_count = 1
    return stream


def _transparent(stream: Any) -> Any:
    """Return a decoder of WebM's transparency; None where the stream has none, or no such one."""
    metadata = {key.lower(): value for key, value in stream.metadata.items()}
    name = _TRANSPARENT_DECODERS.get(stream.codec_context.name)
    if name is None or metadata.get("alpha_mode") != "1":
        return None
    try:
        decoder = av.CodecContext.create(name, "r")
    except (av.error.FFmpegError, ValueError):
        return None
    decoder.extradata = stream.codec_context.extradata
    decoder.thread_count = 1
    return decoder


def _what_else(container: Any) -> str:
    return ", only sound" if container.streams.audio else ""


def _nothing_to_see(errors: int) -> MediaError:
    cause = f"; {errors} parts of it are broken" if errors else ""
    return MediaError(Reason.TRUNCATED, f"not one frame of the video can be decoded{cause}")


@contextmanager
def _translated() -> Iterator[None]:
    """Turn PyAV's errors into reasons."""
    try:
        yield
    except (MemoryError, av.error.MemoryError) as error:
        raise MediaError(Reason.TOO_LARGE, "the video does not fit into memory") from error
    except (
        av.error.DecoderNotFoundError,
        av.error.PatchWelcomeError,
        av.error.DemuxerNotFoundError,
    ) as error:
        message = f"the film's coding cannot be read here: {error}; convert it"
        raise MediaError(Reason.UNSUPPORTED, message) from error
    except (av.error.FFmpegError, ValueError, OverflowError, ZeroDivisionError) as error:
        raise MediaError(Reason.TRUNCATED, f"the video is cut off or corrupt: {error}") from error
