"""What a search with a video answers, and what two videos have in common."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np

from search.results import Hit, Match, Query, SearchResult
from search.verdict import Verdict


@dataclass(frozen=True, kw_only=True)
class Part:
    """A part of the query found in a sample, where it begins ``offset_s`` later.

    Where ``reversed`` the sample shows it backwards. ``verified`` says that pixels were found to
    agree, None that nobody looked at them.
    """

    query_from_s: float
    query_until_s: float
    sample_from_s: float
    sample_until_s: float
    offset_s: float
    frames_matched: int
    frames_compared: int
    score: float
    reversed: bool
    verified: bool | None


@dataclass(frozen=True, kw_only=True)
class CheckedFrame:
    """Two frames whose pixels were compared, of the ``part`` with that place among the segments.

    ``match`` is in pixels of the query's frame.
    """

    part: int
    query_s: float
    sample_s: float
    verdict: Verdict
    score: float | None
    match: Match | None

    @property
    def exchanged(self) -> CheckedFrame:
        """The same frames, looked at from the sample; what was altered stays in its place."""
        return replace(
            self,
            query_s=self.sample_s,
            sample_s=self.query_s,
            match=None if self.match is None else _exchanged(self.match),
        )


def _exchanged(match: Match) -> Match:
    a, b, c = np.linalg.inv(np.array(match.transform)).tolist()
    return replace(
        match,
        transform=((*a,), (*b,), (*c,)),
        scale=1 / match.scale,
        query_overlap=match.sample_overlap,
        sample_overlap=match.query_overlap,
    )


@dataclass(frozen=True, kw_only=True)
class VideoMatch:
    """Where one video lies in another.

    ``share_query`` and ``share_sample`` are the fractions of both, of what is not blank in them,
    that the other one shows: by pixels where ``checked`` has frames, else by their vectors.
    ``mirrored`` and ``reversed`` say what holds for most of it; ``curve`` has the time of each
    frame of the query, and its best cosine.
    """

    duration_s: float
    segments: tuple[Part, ...]
    frames_matched: int
    frames_compared: int
    share_query: float
    share_sample: float
    mirrored: bool
    reversed: bool
    curve: tuple[tuple[float, float], ...]
    checked: tuple[CheckedFrame, ...]
    description: str


@dataclass(frozen=True, kw_only=True)
class VideoQuery(Query):
    """The video that was searched for, and of how many frames it was read."""

    duration_s: float
    frames: int


@dataclass(frozen=True, kw_only=True)
class VideoHit(Hit):
    """A video, or a picture, in which parts of the query were found; its best frame is ``sample``.

    ``match`` is the geometry of the best pair of frames whose pixels were compared; the shares are
    those of ``video``.
    """

    share_query: float
    share_sample: float
    video: VideoMatch


VideoSearchResult: TypeAlias = SearchResult[VideoQuery, VideoHit]
