"""What a search answers: the query, the hits, and how much of the corpus stands behind them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from typing import Any, Generic, TypeAlias, TypeVar

from indexer.types import Absence, Sample
from search.verdict import COPIES, Verdict


@dataclass(frozen=True, kw_only=True)
class Match:
    """A hit whose geometry was verified.

    ``transform`` 3x3 takes query pixels to sample pixels; overlaps and ``altered_fraction`` are
    0..1; ``altered_boxes`` are (x, y, w, h) in query pixels.
    """

    inliers: int
    transform: tuple[tuple[float, float, float], ...]
    mirrored: bool
    rotation_deg: float
    scale: float
    query_overlap: float
    sample_overlap: float
    altered_fraction: float
    altered_boxes: tuple[tuple[int, int, int, int], ...]
    overlay: str | None = None


@dataclass(frozen=True, kw_only=True)
class Hit:
    """A sample with a score.

    ``score`` is cosine similarity in the space; ``confidence`` 0..1 orders hits within and across
    queries; ``probability`` is P(copy), or None where too few pairs stand behind it; ``decision``
    is what a person decided about the query and the sample, ``same`` or ``different``.
    """

    rank: int
    score: float
    confidence: float
    probability: float | None
    verdict: Verdict
    sample: Sample
    match: Match | None = None
    decision: str | None = None

    @property
    def found(self) -> bool:
        """Whether the hit is a finding, not only the nearest there was."""
        return self.verdict not in (Verdict.UNRELATED, Verdict.NOT_ASSESSABLE)


H = TypeVar("H", bound=Hit)


def without_files(hits: Sequence[H], absent: Mapping[int, Absence]) -> tuple[H, ...]:
    """Return hits that say which samples' files are not there any more, by the samples' ids."""
    return tuple(
        replace(hit, sample=hit.sample.without_file(absent[hit.sample.id]))
        if hit.sample.id in absent
        else hit
        for hit in hits
    )


@dataclass(frozen=True, kw_only=True)
class Query:
    """What was searched for.

    ``page`` is the one that stands for a file of several, its first that is not blank.
    ``available`` is False for a sample whose file could not be opened: it was searched for by its
    stored vector, and no pixels were compared.
    """

    path: str
    sha256: str
    page: int | None = None
    width: int
    height: int
    available: bool = True


@dataclass(frozen=True, kw_only=True)
class Searched:
    """What was searched: an index at one generation, one of its spaces."""

    path: str
    generation: int
    space: str
    fingerprint: str


@dataclass(frozen=True, kw_only=True)
class Completeness:
    """How much of the corpus an answer speaks for: files seen, indexed, failed."""

    seen: int
    indexed: int
    failed: int


@dataclass(frozen=True, kw_only=True)
class Timing:
    """Milliseconds of a search's parts."""

    embed: float
    retrieve: float
    verify: float
    total: float


Q = TypeVar("Q", bound=Query)


@dataclass(frozen=True, kw_only=True)
class SearchResult(Generic[Q, H]):
    """The answer to one query, a picture or a video.

    ``unavailable`` candidates' files could not be opened.
    """

    query: Q
    index: Searched
    completeness: Completeness
    hits: tuple[H, ...]
    unavailable: int = 0
    timing_ms: Timing

    @property
    def found(self) -> bool:
        """Whether any hit is a copy."""
        return any(hit.verdict in COPIES for hit in self.hits)

    def to_json(self) -> dict[str, Any]:
        """Return the answer as plain JSON values."""
        told = {one.name: getattr(self, one.name) for one in fields(SearchResult)}
        return asdict(SearchResult(**told))


PictureResult: TypeAlias = SearchResult[Query, Hit]
AnyResult: TypeAlias = SearchResult[Any, Any]  # of a picture or a video
