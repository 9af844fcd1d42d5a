"""Bytes in, an index on disk out."""
