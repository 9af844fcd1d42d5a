"""Search: a picture or a clip in, hits with evidence out."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from indexer.media.videos.opening import holds_video
from indexer.store.reader import IndexReader
from indexer.store.vectors.space import Space
from indexer.types import Encoder, Kind, Sample
from search.options import SearchOptions
from search.pictures import PictureSearcher
from search.results import AnyResult, PictureResult
from search.videos.clips import ClipReader
from search.videos.searcher import VideoSearcher


class Searcher:
    """Answers queries against one space of an index, with the encoder that made it."""

    def __init__(self, reader: IndexReader, space: Space, encoder: Encoder) -> None:
        space.check(encoder.spec)
        self.space = space
        self.encoder = encoder
        self._pictures = PictureSearcher(reader, space, encoder)
        self._videos = VideoSearcher(reader, space, encoder)

    def search(
        self,
        query: Path | Sample,
        options: SearchOptions | None = None,
        *,
        moves: bool | None = None,
        reader: ClipReader | None = None,
    ) -> AnyResult:
        """Return what is nearest to a picture, or shares most with a clip.

        A sample is searched for by what it is of: a picture, a page, or of a frame its whole
        video; by what is stored of it where its file is not there any more as it was. ``moves``
        tells whether it is a clip, where that is known. A ``reader`` that is given reads clips,
        within its limits and until it is halted.

        Raise MediaError where the query cannot be read, UnavailableError where a sample's file
        cannot and nothing is stored of it, UsageError where an option makes no sense.
        """
        options = options or SearchOptions()
        if is_video(query) if moves is None else moves:
            return self._videos.search(query, options, reader=reader)
        return self._pictures.search(query, options)

    def search_samples(
        self, ids: Sequence[int], options: SearchOptions
    ) -> list[PictureResult | None]:
        """Return the unverified answer for each of several pictures, from their stored vectors.

        None stands for an id that is not live in this space. One pass answers them all.
        """
        return self._pictures.search_samples(ids, options)

    def warm(self, before: Searcher | None = None) -> None:
        """Load the encoder, vectors and keypoints, which the first search would otherwise wait for.

        What has not changed since the generation ``before`` is taken from there.
        """
        if before is not None:
            self.space.take_over(before.space)
        self._pictures.warm()


def is_video(query: Path | Sample) -> bool:
    """Tell whether a file is a video, or what a sample is of."""
    return holds_video(query) if isinstance(query, Path) else query.kind is Kind.FRAME
