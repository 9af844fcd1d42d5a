"""Two to compare on the page: pictures, with the layers drawn once, or whole films."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import TypeVar

from cachetools import LRUCache

from dfindex.compare import VideoComparison, compare_films
from dfindex.drawing.layers import Layers, layers_of
from dfindex.index import Index
from dfindex.server.http.departures import Stop
from dfindex.server.jobs.queues import Queue
from dfindex.server.service import Service
from dfindex.server.views.sides import Side, decoded, path_of
from indexer.errors import UnavailableError
from indexer.media.files import Limits
from indexer.media.scales import Scales
from indexer.types import Absence
from search.evidence import NEEDED_SIDE, compare_decoded
from search.verification.compare import Comparison
from search.videos.clips import Clip, ClipReader

T = TypeVar("T")
_ENOUGH = 700  # pixels of the shorter side: what the layers show


@dataclass(frozen=True, kw_only=True)
class ShownPair:
    """A comparison of pictures as the page shows it; ``size`` is that of the first picture."""

    comparison: Comparison
    layers: Layers
    size: tuple[int, int]
    facts: tuple[str, str]


class Pairs:
    """Compares pairs, and keeps the newest."""

    def __init__(self, service: Service, most: int = 24) -> None:
        self._service = service
        self._guard = threading.Lock()
        self._kept: LRUCache[tuple[object, ...], object] = LRUCache(most)

    async def pictures(self, a: Side, b: Side) -> ShownPair:
        """Return the comparison of two pictures, of films as they look at a time."""
        return await self._found("pictures", a, b, self._compared)

    async def films(self, a: Side, b: Side) -> VideoComparison:
        """Return the comparison of two films, or of a film and a picture."""
        return await self._found("films", a, b, self._compared_films)

    async def _found(
        self, kind: str, a: Side, b: Side, compare: Callable[[Index, Stop, Side, Side], T]
    ) -> T:
        key = (kind, a.key, b.key, b.name)
        with self._guard:
            if key in self._kept:
                return self._kept[key]  # type: ignore[return-value]
        queue = Queue.FILMS if a.moves or b.moves else Queue.WORK
        found = await self._service.read(lambda index, stop: compare(index, stop, a, b), queue)
        with self._guard:
            self._kept[key] = found
        return found

    def _compared(self, index: Index, stop: Stop, a: Side, b: Side) -> ShownPair:
        scales = [Scales(partial(decoded, self._service, index, side, stop)) for side in (a, b)]
        same = a.time_s is None and a.key == b.key
        judged = compare_decoded(*(one.at_least(NEEDED_SIDE) for one in scales), same_bytes=same)
        first, second = (one.at_least(_ENOUGH) for one in scales)
        return ShownPair(
            comparison=judged.comparison,
            layers=layers_of(replace(judged, first=first, second=second)),
            size=(first.width, first.height),
            facts=(
                f"{first.width} × {first.height}, {first.format}",
                f"{second.width} × {second.height}, {second.format}",
            ),
        )

    def _compared_films(self, index: Index, stop: Stop, a: Side, b: Side) -> VideoComparison:
        # Uploads were refused already where they have too many bytes; what is indexed may have.
        limits = replace(
            self._service.limits, bytes=Limits().bytes, video_bytes=Limits().video_bytes
        )
        with self._service.reader(index, stop, limits) as reader:
            clips = [_clip(reader, index, side) for side in (a, b)]
            found = compare_films(reader, *clips, name=b.name)
        return replace(found, a=a.name, b=b.name)


def _clip(reader: ClipReader, index: Index, side: Side) -> Clip:
    """Read a side's file; raise UnavailableError where it is not the one that was meant."""
    clip = reader.read(path_of(index, side))
    if clip.sha256 != side.sha256:
        raise UnavailableError(
            Absence.CHANGED, f"expected {side.name} as it was indexed, but it has changed"
        )
    return clip
