"""What commands print for people."""

__all__ = [
    "answers",
    "bench",
    "console",
    "detection",
    "duplicates",
    "maintenance",
    "probes",
    "search",
]
