"""The map of the corpus for the page: drawn beside the requests, and again for new generations."""

from __future__ import annotations

import logging
import threading
from dataclasses import dataclass
from pathlib import Path

from dfindex.index import Index
from dfindex.map_data import CorpusMap, corpus_map, packed
from dfindex.server.live import LiveIndex
from indexer.errors import DfindexError
from indexer.store.probe_scores import scores_stamp

log = logging.getLogger("dfindex.server")


@dataclass(frozen=True)
class DrawnMap:
    """A map, and its points as the page's script reads them."""

    map: CorpusMap
    points: bytes
    stamp: tuple[object, ...]


class Maps:
    """Draws the map in a thread of its own; an older one is shown until the new one is there."""

    def __init__(self, index: Path, live: LiveIndex, space: str | None) -> None:
        self._index = index
        self._live = live
        self._space = space
        self._guard = threading.Lock()
        self._drawn: DrawnMap | None = None
        self._drawing: threading.Thread | None = None
        self.progress = "waiting"

    def newest(self) -> DrawnMap | None:
        """Return the newest map that is drawn, None where there is none yet; draw what is new."""
        with self._guard:
            drawn = self._drawn
            stale = drawn is None or drawn.stamp != self._stamp(self._live.generation)
            if stale and (self._drawing is None or not self._drawing.is_alive()):
                self._drawing = threading.Thread(target=self._draw, name="map", daemon=True)
                self._drawing.start()
        return drawn

    def _draw(self) -> None:
        try:
            drawn = self._live.read(self._drawn_of)
        except (DfindexError, OSError) as error:
            log.warning("the map cannot be drawn: %s", error)
            self.progress = f"it cannot be drawn: {error}"
            return
        with self._guard:
            self._drawn = drawn

    def _drawn_of(self, index: Index) -> DrawnMap:
        stamp = self._stamp(index.generation)
        drawn = corpus_map(index, self._space, self._note)
        return DrawnMap(drawn, packed(drawn), stamp)

    def _stamp(self, generation: int) -> tuple[object, ...]:
        return generation, scores_stamp(self._index)

    def _note(self, step: str, share: float) -> None:
        words = {"neighbours": "finding neighbours", "map": "laying them out"}
        self.progress = f"{words.get(step, step)}, {100 * share:.0f} %" if share else words[step]
