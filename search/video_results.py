"""What a search with a video answers, and what two videos have in common."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from search.results import Completeness, Hit, Match, Query, Searched, Timing
from search.verdict import COPIES, Verdict


@dataclass(frozen=True, kw_only=True)
class Part:
    """A part of the query found in a sample, ``offset_s`` later there than in the query."""

    query_from_s: float
    query_until_s: float
    sample_from_s: float
    sample_until_s: float
    offset_s: float
    frames_matched: int
    frames_compared: int
    score: float


@dataclass(frozen=True, kw_only=True)
class CheckedFrame:
    """Two frames whose pixels were compared; ``match`` is in pixels of the query's frame."""

    query_s: float
    sample_s: float
    verdict: Verdict
    score: float | None
    match: Match | None


@dataclass(frozen=True, kw_only=True)
class VideoMatch:
    """Where one video lies in another.

    ``query_share`` and ``sample_share`` are the fractions of both that lie in the matched parts;
    ``curve`` has the time of each frame of the query, and its best cosine.
    """

    duration_s: float
    segments: tuple[Part, ...]
    frames_matched: int
    frames_compared: int
    query_share: float
    sample_share: float
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

    ``match`` is the geometry of the best pair of frames whose pixels were compared.
    """

    video: VideoMatch


@dataclass(frozen=True, kw_only=True)
class VideoSearchResult:
    """The answer to a search with a video, as `search.results.SearchResult` is to a picture."""

    query: VideoQuery
    index: Searched
    completeness: Completeness
    hits: tuple[VideoHit, ...]
    unavailable: int = 0
    timing_ms: Timing

    @property
    def found(self) -> bool:
        """Whether any hit is a copy."""
        return any(hit.verdict in COPIES for hit in self.hits)

    def to_json(self) -> dict[str, Any]:
        """Return the answer as plain JSON values."""
        return asdict(self)
