"""Vectors in, evidence out."""

__all__ = [
    "candidates",
    "duplicates",
    "evidence",
    "keypoint_votes",
    "options",
    "projection",
    "query",
    "results",
    "scope",
    "searcher",
    "verdict",
    "verification",
    "videos",
    "views",
]
