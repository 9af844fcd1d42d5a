"""Pairs of videos of a corpus that share a part: candidates by their frames, then alignment."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np

from indexer.errors import UnavailableError
from indexer.media.image import DecodedImage
from indexer.originals import Originals
from indexer.store.catalog.catalog import Catalog
from indexer.store.vectors.space import Space
from indexer.structure import ASSESSABLE
from indexer.types import Absence, Int64, Sample
from search.duplicates.pairs import Pair, Relation
from search.videos.clips import Indexed, indexed
from search.videos.compare import Aligned, align_tracks, finding
from search.videos.frames import Frames
from search.videos.votes import content_votes

NEAREST = 10  # frames of other videos retrieved for each frame
PARTNERS = 5  # videos that each is aligned with
MOST_FRAMES = 100  # of one video that may stand before another's
KEPT_OPEN = 64  # tracks in memory
WHOLE = 0.95  # of a video: what shows less of another is the narrower one


class VideoPairs:
    """Aligns the videos of a space with each other; one frame stands for each of them.

    ``absent`` says of which of them the file could not be opened, by those ids.
    """

    def __init__(self, catalog: Catalog, space: Space, samples: Sequence[Sample]) -> None:
        """Take one sample, a frame, of each video."""
        self._catalog, self._space = catalog, space
        self._originals = Originals(catalog)
        self.absent: dict[int, Absence] = {}
        self._samples = {one.id: one for one in samples}
        self._content = {one.id: one.sha256 for one in samples}
        self._stands_for = {one.sha256: one.id for one in samples}
        self._track = lru_cache(KEPT_OPEN)(self._read)

    def __contains__(self, id_: int) -> bool:
        return id_ in self._content

    def candidates(self, *, min_score: float | None = None) -> list[Pair]:
        """Return the pairs that share a part, by their ids; ``score`` is that of their frames."""
        frames = self._frames()
        pairs = {
            (min(one, other), max(one, other))
            for one, content in self._content.items()
            for other in self._partners(content, frames)
        }
        aligned = [(pair, self._aligned(*pair)) for pair in sorted(pairs)]
        return [
            Pair(*pair, found.score)
            for pair, found in aligned
            if found is not None and found.segments and found.score >= (min_score or -1.0)
        ]

    def relate(self, pair: Pair) -> Relation | None:
        """Compare two videos by the pixels of some frames; None where a file is gone."""
        aligned = self._aligned(pair.first, pair.second)
        if aligned is None:
            return None
        frames = (self._frames_of(pair.first), self._frames_of(pair.second))
        try:
            said = finding(aligned, frames, names=("the one", "the other"))
        except UnavailableError:
            return None
        shares = (said.video.share_query, said.video.share_sample)
        return Relation(said.verdict, is_crop_of=_crop_of(pair, shares), shares=shares)

    def _frames_of(self, id_: int) -> Frames:
        def frames(times: Sequence[float], *, at_least: int) -> list[DecodedImage]:
            try:
                return self._originals.frames(self._samples[id_], times, at_least=at_least)
            except UnavailableError as error:
                self.absent[id_] = error.why
                raise

        return frames

    def _frames(self) -> Int64:
        """Return the frames that may stand before others: black ones would stand before all."""
        rows = self._catalog.frames(list(self._stands_for))
        told = [row.id for row in rows if row.structure is None or row.structure >= ASSESSABLE]
        return np.array(sorted(told), dtype=np.int64)

    def _partners(self, content: str, frames: Int64) -> list[int]:
        """Return the videos whose frames are nearest to a video's."""
        track = self._track(content)
        if track is None or not track.track.assessable.any():
            return []
        contents = self._space.contents()
        count = min(contents.most, MOST_FRAMES) + NEAREST
        told = np.unique(track.ids[track.track.assessable]).tolist()
        vectors = self._space.embeddings(told).vectors
        scores, ids = self._space.neighbours(vectors, count, allowed=frames)
        near = self._catalog.samples(np.unique(ids[ids >= 0]).tolist())
        others = {one.id: one.sha256 for one in near if one.sha256 != content}
        votes = content_votes(scores, ids, others)
        chosen = sorted(votes, key=lambda other: (-votes[other], other))[:PARTNERS]
        return [self._stands_for[other] for other in chosen]

    def _aligned(self, first: int, second: int) -> Aligned | None:
        tracks = [self._track(self._content[one]) for one in (first, second)]
        if tracks[0] is None or tracks[1] is None:
            return None
        return align_tracks(tracks[0].track, tracks[1].track)

    def _read(self, content: str) -> Indexed | None:
        return next(indexed(self._catalog, self._space, [content]), None)


def _crop_of(pair: Pair, shares: tuple[float, float]) -> int | None:
    """Return which of two videos is a part of the other, None where neither is."""
    first, second = shares
    if first >= WHOLE > second:
        return pair.first
    return pair.second if second >= WHOLE > first else None
