"""What commands print for people."""

__all__ = [
    "answers",
    "bench",
    "console",
    "detection",
    "duplicates",
    "findings",
    "maintenance",
    "probes",
    "search",
]
