"""A video, or a picture, as a track of vectors: read from its file, or from the index."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import CancelledError
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from indexer.closing import Closing
from indexer.corpus import FoundFile, as_text
from indexer.errors import MediaError
from indexer.extract import read_prepared
from indexer.isolation.pool import DecodePool, Prepared
from indexer.media.files import Limits
from indexer.media.image import DecodedImage
from indexer.media.videos.frames import Sampling
from indexer.store.catalog.catalog import Catalog, FrameRow
from indexer.store.vectors.space import Space
from indexer.types import Encoder, Float32, Int64, Reason, Span, UInt8
from search.videos.frames import Frames
from search.videos.tracks import Track

DENSELY = Sampling(fps=2.0, least=16, most=64)
BATCH = 8
_ALONE = Span(0.0, 0.0, 0.0)  # of a picture


@dataclass(frozen=True)
class Clip:
    """A video as it was read; one frame without duration where it is a picture."""

    path: str
    sha256: str
    width: int
    height: int
    track: Track


@dataclass(frozen=True)
class Indexed:
    """A video of the index: which sample (n,) each frame of its track is."""

    sha256: str
    ids: Int64
    track: Track


class ClipReader(Closing):
    """Reads files that are asked about in a process of its own, within limits, and embeds them.

    `halt`, from any thread, ends what is under way with CancelledError, and all that follows.
    """

    def __init__(
        self, encoder: Encoder, *, sampling: Sampling = DENSELY, limits: Limits | None = None
    ) -> None:
        self._encoder = encoder
        self._halted = threading.Event()
        self._pool = DecodePool(
            workers=1, preset=encoder.spec.preset, limits=limits, sampling=sampling, keypoints=False
        )

    def close(self) -> None:
        """End the process."""
        self._pool.close()

    def halt(self) -> None:
        """End what is under way, and refuse what follows."""
        self._halted.set()
        self._pool.halt()

    def read(self, path: Path) -> Clip:
        """Read and embed a video's frames, or a picture; raise MediaError."""
        file = _file_at(path)
        try:
            frames, vectors = self._embedded(file)
        except MediaError:
            self._go_on()
            raise
        last = frames[-1]
        spans = [one.span or _ALONE for one in frames]
        track, _ = Track.of(spans, vectors, [one.structure for one in frames])
        return Clip(str(path), str(last.sha256), last.width, last.height, track)

    def frames(self, clip: Clip) -> Frames:
        """Return what looks at a clip that was read."""
        raw = os.fsencode(clip.path)

        def shown(times: Sequence[float], *, at_least: int) -> list[DecodedImage] | None:
            self._go_on()
            try:
                return self._pool.shown(raw, times, at_least=at_least, sha256=clip.sha256)
            except MediaError:
                self._go_on()
                return None

        return shown

    def _go_on(self) -> None:
        if self._halted.is_set():
            raise CancelledError

    def _embedded(self, file: FoundFile) -> tuple[list[Prepared], Float32]:
        """Return the frames in order, without their pixels, and their vectors (n, dim)."""
        frames: list[Prepared] = []
        vectors: list[Float32] = []
        batch: list[UInt8] = []
        for one in self._pool.map([file]):
            self._go_on()
            if one.problem is not None:
                raise one.problem
            assert one.pixels is not None
            if one.page in (None, 1):  # a page has no time: the first stands for its file
                frames.append(replace(one, pixels=None))
                batch.append(one.pixels)
            if batch and (len(batch) == BATCH or one.last):
                vectors.append(read_prepared(np.stack(batch), self._encoder)[1])
                batch = []
        return frames, np.concatenate(vectors)


def indexed(catalog: Catalog, space: Space, contents: Sequence[str]) -> Iterator[Indexed]:
    """Yield the tracks of some contents of a space."""
    rows = catalog.frames(contents)
    stored = space.embeddings([row.id for row in rows])
    place = {one: at for at, one in enumerate(stored.ids.tolist())}
    for content in contents:
        mine = [row for row in rows if row.sha256 == content and row.id in place]
        mine = _at_different_times(mine)
        if mine:
            vectors = stored.vectors[[place[row.id] for row in mine]]
            track, owners = Track.of(
                [row.span for row in mine], vectors, [row.structure for row in mine]
            )
            yield Indexed(content, np.array([row.id for row in mine])[owners], track)


def _file_at(path: Path) -> FoundFile:
    raw = os.fsencode(path)
    try:
        status = path.stat()
    except OSError as error:
        message = f"{as_text(raw)} cannot be read: {error.strerror}"
        raise MediaError(Reason.UNREADABLE, message) from error
    return FoundFile(raw=raw, path=as_text(raw), size=status.st_size, mtime_ns=status.st_mtime_ns)


def _at_different_times(rows: Sequence[FrameRow]) -> list[FrameRow]:
    """Leave out frames at the time of one before, which another space's sampling may have made."""
    kept: list[FrameRow] = []
    for row in rows:
        if not kept or row.span.time_s > kept[-1].span.time_s:
            kept.append(row)
    return kept
