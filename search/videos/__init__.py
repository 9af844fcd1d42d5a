"""Videos as queries and as evidence: which parts two films share, and how sure that is."""

__all__ = ["clips", "compare", "description", "frames", "results", "searcher", "votes"]
