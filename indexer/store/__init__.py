"""The index on disk: immutable segments, a catalog, and caches that can be rebuilt."""

__all__ = [
    "catalog",
    "durable",
    "folder",
    "head_outputs",
    "lock",
    "maintenance",
    "parquet",
    "reader",
    "vectors",
    "writer",
]
