"""Finding copies and what was altered in them, beside hashes, SIFT and a plain difference."""

__all__ = [
    "attacks",
    "benchmark",
    "compared",
    "localisation",
    "localisers",
    "methods",
    "queries",
    "tables",
]
