"""The map of the corpus for the page: drawn beside the requests, and again for new generations."""

from __future__ import annotations

import logging
import threading
from dataclasses import dataclass

from dfindex.corpus_map import CorpusMap, corpus_map, packed
from dfindex.server.live import LiveIndex, State
from indexer.errors import DfindexError

log = logging.getLogger("dfindex.server")


@dataclass(frozen=True)
class DrawnMap:
    """A map, and its points as the page's script reads them."""

    map: CorpusMap
    points: bytes
    state: State


class Maps:
    """Draws the map in a thread of its own; an older one is shown until the new one is there."""

    def __init__(self, live: LiveIndex, space: str | None) -> None:
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
            stale = drawn is None or drawn.state != self._live.state
            if stale and (self._drawing is None or not self._drawing.is_alive()):
                self._drawing = threading.Thread(target=self._draw, name="map", daemon=True)
                self._drawing.start()
        return drawn

    def _draw(self) -> None:
        state = self._live.state  # before it is read: what comes meanwhile is drawn next
        try:
            drawn = self._live.read(lambda index: corpus_map(index, self._space, self._note))
        except (DfindexError, OSError) as error:
            log.warning("the map cannot be drawn: %s", error)
            self.progress = f"it cannot be drawn: {error}"
            return
        made = DrawnMap(drawn, packed(drawn), state)
        with self._guard:
            self._drawn = made

    def _note(self, step: str, share: float) -> None:
        words = {"neighbours": "finding neighbours", "map": "laying them out"}
        self.progress = f"{words.get(step, step)}, {100 * share:.0f} %" if share else words[step]
