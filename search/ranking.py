"""What is said of a candidate: verdict, confidence, and where a threshold lies."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from indexer.errors import UsageError
from indexer.store.catalog.catalog import Catalog
from indexer.store.catalog.decisions import Decision, Decisions
from indexer.store.vectors.space import Space
from indexer.structure import ASSESSABLE
from indexer.types import Sample
from search.calibration import NullScores, null_scores
from search.results import Hit
from search.verdict import COPIES, Verdict
from search.verification.compare import Comparison

# Without verification a hit is called similar when no more than this share of pictures without
# a copy in the corpus has one that scores as high.
SIMILAR_FPR = 0.01
SIMILAR_AT_LEAST = 0.9  # where the corpus is too small to tell
SIMILAR_VOTES = 10.0  # of keypoints: few non-matching pictures reach as many


@dataclass(frozen=True)
class Found:
    """A sample that may be what was searched for, as `Candidate` has it, or an exact copy."""

    sample: Sample
    score: float
    exact: bool
    votes: float = 0.0
    promising: bool = False


class HitRanking:
    """Judges candidates by the corpus's own negatives, by pixels, and by what people decided."""

    def __init__(self, catalog: Catalog, space: Space) -> None:
        self._catalog, self._space = catalog, space

    def ranked(
        self,
        sha256: str,
        candidates: Sequence[Found],
        compared: dict[int, Comparison],
        *,
        blank: bool,
    ) -> list[Hit]:
        """Return the hits of a query, by its SHA-256, the surest first.

        ``blank`` says that the query has too little structure for anything to be said of it.
        """
        ids = [one.sample.id for one in candidates]
        blanks = set(ids) if blank else self._catalog.blank(ids, below=ASSESSABLE)
        hits = [
            self._hit(sha256, one, compared.get(one.sample.id), blank=one.sample.id in blanks)
            for one in candidates
        ]
        hits.sort(key=lambda hit: (-hit.confidence, -hit.score, hit.sample.id))
        return [replace(hit, rank=rank) for rank, hit in enumerate(hits, start=1)]

    def _hit(
        self, sha256: str, candidate: Found, compared: Comparison | None, *, blank: bool
    ) -> Hit:
        score = float(np.clip(candidate.score, -1, 1))
        verdict, confidence = self._unverified(score, candidate.votes)
        match = None
        decided = self._decisions.about(sha256, candidate.sample.sha256)
        if candidate.exact:
            verdict, confidence = Verdict.EXACT, 1.0
        elif blank or (compared is not None and compared.verdict is Verdict.NOT_ASSESSABLE):
            verdict = Verdict.NOT_ASSESSABLE
        elif compared is not None and compared.verdict in COPIES:
            # A verified copy stands above whatever was only near.
            verdict, match = compared.verdict, compared.match
            confidence = 0.5 + 0.499 * float(compared.score or 0.0)
        if decided is Decision.DIFFERENT:
            verdict, confidence = Verdict.UNRELATED, 0.0
        elif decided is Decision.SAME and verdict not in COPIES:
            verdict, confidence = Verdict.COPY, 1.0
        return Hit(
            rank=1,
            score=score,
            confidence=confidence,
            probability=None,
            verdict=verdict,
            sample=candidate.sample,
            match=match,
            decision=None if decided is None else decided.value,
        )

    def _unverified(self, score: float, votes: float) -> tuple[Verdict, float]:
        """Return what the candidate stage alone can say: a confidence from 0 to 0.5.

        Half of it is the share of negatives that the score is above, half the keypoints' votes.
        """
        similar = score >= self.similar_from or votes >= SIMILAR_VOTES
        maxima = self._null.maxima
        if len(maxima):
            above = float(np.searchsorted(maxima, score, side="left") / (len(maxima) + 1))
        else:
            above = float(np.clip(score, 0, 0.99))
        shared = votes / (votes + SIMILAR_VOTES)
        return Verdict.SIMILAR if similar else Verdict.UNRELATED, 0.25 * (above + shared)

    def threshold(self, min_score: float | None, max_fpr: float | None) -> float:
        """Return the least score of a hit; raise UsageError where a rate cannot be kept."""
        floor = -np.inf if min_score is None else min_score
        if max_fpr is None:
            return float(floor)
        if not 0 < max_fpr <= 1:
            raise UsageError(f"expected --max-fpr above 0 and at most 1, got {max_fpr}")
        bound = self._null.threshold(max_fpr)
        if bound is None:
            raise UsageError(
                f"--max-fpr {max_fpr} needs at least {np.ceil(1 / max_fpr):.0f} samples to be "
                f"measured against, this space offers {len(self._null.maxima)}; "
                "give a larger rate, or --min-score"
            )
        return float(max(floor, bound))

    @cached_property
    def _decisions(self) -> Decisions:
        return Decisions(self._catalog)

    @cached_property
    def _null(self) -> NullScores:
        return null_scores(self._space)

    @cached_property
    def similar_from(self) -> float:
        """The score from which few non-matching pictures are as near."""
        bound = self._null.threshold(SIMILAR_FPR)
        return SIMILAR_AT_LEAST if bound is None else bound
