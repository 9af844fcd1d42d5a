"""Evaluation: what a probe is worth on pictures it has not seen, and how far that holds."""

__all__ = ["encoding", "episodes", "evaluate", "metrics", "results"]
