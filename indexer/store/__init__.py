"""The index on disk: immutable segments, a catalog, and caches that can be rebuilt."""
