"""Which contents the frames of a video are nearest to."""

from __future__ import annotations

from collections.abc import Mapping

from indexer.types import Float32, Int64

POWER = 4  # of a cosine: a few near frames count more than many middling ones


def content_votes(scores: Float32, ids: Int64, content: Mapping[int, str]) -> dict[str, float]:
    """Return the votes of q frames for the contents of their k nearest samples.

    ``scores`` and ``ids`` are (q, k); each frame votes once for a content, by its nearest sample.
    Ids that ``content`` does not name are left out.
    """
    votes: dict[str, float] = {}
    for row, found in zip(scores.tolist(), ids.tolist(), strict=True):
        best: dict[str, float] = {}
        for score, one in zip(row, found, strict=True):
            if one in content:
                best[content[one]] = max(score, 0.0, best.get(content[one], 0.0))
        for sha256, score in best.items():
            votes[sha256] = votes.get(sha256, 0.0) + score**POWER
    return votes
